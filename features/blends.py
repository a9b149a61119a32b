"""Blends of calibrated members: weighted means of probabilities or of ranks, and a stacked regression."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from features.labels.metrics.losses import LEAST_PROBABILITY
from features.ranks import in_order_of, ranks


@dataclass(frozen=True)
class Blend:
    """The weighted mean of the members."""

    weights: np.ndarray  # (members,), summing to one

    def __call__(self, members: np.ndarray, peers: np.ndarray | None = None) -> np.ndarray:
        """Return the blended probabilities float32 (n, classes) of calibrated members (members, n, classes)."""
        return np.tensordot(self.weights.astype(members.dtype), members, axes=1).astype(np.float32)


@dataclass(frozen=True)
class RankBlend:
    """The weighted mean of the members' ranks, for two classes."""

    weights: np.ndarray  # (members,), summing to one

    def __call__(self, members: np.ndarray, peers: np.ndarray | None = None) -> np.ndarray:
        """Return probabilities float32 (n, 2): values of the members' mean, in the order of their mean rank.

        Args:
            members: calibrated probabilities (members, n, 2).
            peers: (n,), rows with the same number are ranked among themselves; by default all rows.
        """
        present = members[..., 1]
        peers = np.zeros(present.shape[1], int) if peers is None else peers
        means, mean_ranks = (self.weights @ values for values in (present, ranks(present, peers)))
        return two_classes(in_order_of(means, mean_ranks, peers)).astype(np.float32)


@dataclass(frozen=True)
class Stack:
    """A multinomial logistic regression on the members' logits."""

    regression: LogisticRegression
    members: int

    def __call__(self, members: np.ndarray, peers: np.ndarray | None = None) -> np.ndarray:
        """Return the stacked probabilities float32 (n, classes) of calibrated members (members, n, classes).

        A class without rows in the fit gets the probability 0.
        """
        out = np.zeros(members.shape[1:], np.float32)
        out[:, self.regression.classes_] = self.regression.predict_proba(logit_features(members))
        return out

    @property
    def weights(self) -> np.ndarray:
        """Each member's share (members,) of the coefficients' absolute sum."""
        sizes = np.abs(self.regression.coef_).sum(axis=0).reshape(self.members, -1).sum(axis=1)
        return sizes / sizes.sum() if sizes.any() else np.full(len(sizes), 1 / len(sizes))


AnyBlend = Blend | RankBlend | Stack


def two_classes(present: np.ndarray) -> np.ndarray:
    """Return probabilities (..., 2) of absent and present, from those of present (...)."""
    return np.stack([1 - present, present], axis=-1)


def logit_features(members: np.ndarray) -> np.ndarray:
    """Return the logits float32 (n, members * classes) of (members, n, classes), centred in each row of a member.

    They are divided by the number of members. So coefficients of one give their mean, and the penalty on coefficients
    has the same effect for few members as for many.
    """
    logits = np.log(np.maximum(members, LEAST_PROBABILITY)).astype(np.float32)
    logits = (logits - logits.mean(axis=2, keepdims=True)) / len(members)
    return logits.transpose(1, 0, 2).reshape(logits.shape[1], -1)
