"""Combine members: calibrated fold models, averaged with weights or combined by a stacked regression.

Out-of-fold rows contain the predictions of one fold's models. So what is fitted on them is applied to the models of one
fold at a time. The mean over the folds comes last. It is a mean of logits, so a model's threshold fits it, too. On rows
held out from training it has a lower log-loss than a mean of probabilities and is right at least as often
(`benchmarks/calibration.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from features.blends import AnyBlend, Blend, RankBlend, Stack, logit_features, two_classes
from features.calibration import calibrate_models, calibrate_rows
from features.labels.metrics.losses import LEAST_PROBABILITY, log_loss
from features.labels.targets import as_binary, from_binary
from features.ranks import ranks

Loss = Callable[[np.ndarray, np.ndarray], float]  # of probabilities (n, classes) and labels
Losses = Callable[[np.ndarray], np.ndarray]  # of mixtures (k, ...) of members: one each (k,)
RANK = "rank"
METHODS = ("best_member", "mean", "greedy", "convex", "stacking", RANK)
LEAST_BAG = 4  # members; smaller bags are too weak
PATIENCE_ROUNDS = 8  # of greedy selection by a metric, which takes much longer than by log-loss
MOVES = (0.2, 0.1, 0.05, 0.02)  # of weight, from one member to another
MOST_PASSES = 5  # over all pairs, with the same move


@dataclass(frozen=True)
class Greedy:
    """Settings of greedy selection."""

    rounds: int = 50
    bags: int = 10
    seed: int = 0


@dataclass(frozen=True)
class Ensemble:
    """A blend with the temperatures of the models that it combines."""

    temperatures: np.ndarray  # (members, folds)
    blend: AnyBlend
    label_sets: bool = False  # if so, each label of an image is a separate row with two classes, absent and present

    def of_rows(self, members: np.ndarray, folds: np.ndarray) -> np.ndarray:
        """Return probabilities float32 (n, classes) of training rows.

        Args:
            members: out-of-fold probabilities (members, n, classes) or, with repeats, (members, n, repeats, classes).
            folds: (n,) or (n, repeats), the fold whose model each row's probabilities come from.
        """
        repeats, count, folds = folds.size // len(folds), members.shape[-1], folds.reshape(-1)
        rows = members.reshape(len(members), -1, count)
        if not self.label_sets:
            blended = self.blend(calibrate_rows(rows, self.temperatures, folds), folds)
            return mean_of_repeats(blended, repeats, label_sets=False)
        label_rows = calibrate_rows(as_binary(rows), self.temperatures, np.repeat(folds, count))
        blended = from_binary(self.blend(label_rows, label_peers(folds, count)), count)
        return mean_of_repeats(blended, repeats, label_sets=True)

    def of_models(self, members: Sequence[np.ndarray]) -> tuple[np.ndarray, float | None]:
        """Return probabilities float32 (n, classes) of test rows, and the gain of averaging the folds.

        The gain is that of `mean_of_logits`, or None with a single fold.

        Args:
            members: of each member (folds, n, classes), or (1, n, classes) if one model was trained on all rows.
        """
        _, images, count = members[0].shape
        one_model = np.zeros(images, int)
        peers = label_peers(one_model, count) if self.label_sets else one_model
        rows = [as_binary(member) for member in members] if self.label_sets else members
        calibrated = [calibrate_models(*pair) for pair in zip(rows, self.temperatures, strict=True)]
        folds = range(max(map(len, calibrated)))
        by_fold = [np.stack([models[fold % len(models)] for models in calibrated]) for fold in folds]
        ensembles = np.stack([self.blend(members_of_fold, peers) for members_of_fold in by_fold])
        mean, gain = mean_of_logits(ensembles)
        return from_binary(mean, count) if self.label_sets else mean, gain if len(folds) > 1 else None


def mean_of_logits(models: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the mean of models by their logits, and its gain: how far its log-loss is below the mean of theirs.

    The gain is exact and needs no labels. The mean of logits is normalised by a factor that does not depend on the
    class, and the logarithm of this factor is the gain (Heskes, "Selecting weighting factors in logarithmic opinion
    pools", 1998).

    Args:
        models: probabilities (models, n, classes) of the same rows.

    Returns:
        probabilities float32 (n, classes), and the mean gain over the rows, at least 0.
    """
    logs = np.log(np.maximum(models, LEAST_PROBABILITY)).mean(axis=0, dtype=np.float64)
    normalisers = logsumexp(logs, axis=1, keepdims=True)
    return np.exp(logs - normalisers).astype(np.float32), float(-normalisers.mean())


def mean_of_repeats(probabilities: np.ndarray, repeats: int, label_sets: bool) -> np.ndarray:
    """Return the mean float32 (n, classes) by logits, as for test rows, of probabilities (n * repeats, classes).

    The predictions for a row are one after the other. With label sets, each label is averaged alone.
    """
    if repeats == 1:
        return probabilities
    count = probabilities.shape[1]
    by_repeat = probabilities.reshape(-1, repeats, count).swapaxes(0, 1)
    if label_sets:
        return from_binary(mean_of_logits(as_binary(by_repeat))[0], count)
    return mean_of_logits(by_repeat)[0]


def label_peers(folds: np.ndarray, labels: int) -> np.ndarray:
    """Return a number (n * labels,) for each label of each image. Rows of one label and fold (n,) have the same one."""
    return (folds[:, None] * labels + np.arange(labels)).reshape(-1)


def fit_blends(
    members: np.ndarray,
    labels: np.ndarray,
    methods: Sequence[str],
    greedy: Greedy,
    loss: Loss | None = None,
    peers: np.ndarray | None = None,
) -> dict[str, AnyBlend]:
    """Return the blend of each method for the same calibrated members.

    Args:
        members: calibrated probabilities (members, n, classes).
        labels: class indices (n,).
        methods: some of METHODS: `best_member`, the one with the lowest loss, alone; `mean`; `greedy`, selection with
            replacement on the loss (Caruana et al., "Ensemble selection from libraries of models", 2004); `convex`, the
            weights with the lowest loss; `stacking`, which always minimises log-loss (Wolpert, "Stacked
            generalization", 1992); `rank`, the weights of ranks with the lowest loss, for two classes and a loss that
            depends on the rows' order alone.
        greedy: settings of the method `greedy`.
        loss: of probabilities (n, classes) and labels (n,), to be minimised; by default the log-loss.
        peers: (n,), for `rank`: rows with the same number are ranked among themselves; by default all rows.
    """
    true = members[:, np.arange(len(labels)), labels]  # (members, n)
    selected: tuple[np.ndarray, Losses] = (true, _log_losses)
    if loss is not None:
        selected = (members, _losses_of(loss, labels))
    blends: dict[str, AnyBlend] = {}
    equal = np.full(len(members), 1 / len(members))
    for method in methods:
        if method == "best_member":
            blends[method] = Blend(np.eye(len(members))[selected[1](selected[0]).argmin()])
        elif method == "mean":
            blends[method] = Blend(equal)
        elif method == "greedy":
            blends[method] = Blend(_bagged_weights(*selected, greedy))
        elif method == "convex":
            weights = _convex_weights(true)
            blends[method] = Blend(weights if loss is None else _refined_weights(*selected, weights))
        elif method == RANK:
            all_peers = np.zeros(len(labels), int) if peers is None else peers
            ranked = two_classes(ranks(members[..., 1], all_peers))
            blends[method] = RankBlend(_refined_weights(ranked, _losses_of(loss or log_loss, labels), equal))
        else:
            blends[method] = Stack(_regression(members, labels), len(members))
    return blends


def _losses_of(loss: Loss, labels: np.ndarray) -> Losses:
    return lambda mixtures: np.array([loss(mixture, labels) for mixture in mixtures])


def _bagged_weights(members: np.ndarray, losses: Losses, greedy: Greedy) -> np.ndarray:
    """Return the mean weights (members,) of selections from random halves of the members."""
    count, rng = len(members), np.random.default_rng(greedy.seed)
    bag_size = max(-(-count // 2), min(count, LEAST_BAG))
    if bag_size == count:
        return _selection_weights(members, losses, greedy.rounds)
    weights = np.zeros(count)
    for _ in range(greedy.bags):
        bag = rng.choice(count, bag_size, replace=False)
        weights[bag] += _selection_weights(members[bag], losses, greedy.rounds)
    return weights / weights.sum()


def _selection_weights(members: np.ndarray, losses: Losses, rounds: int) -> np.ndarray:
    """Return the weights (members,) of greedy selection.

    Selection starts from the best one of the ensembles of the one, two, three... best members. The best ensemble of all
    rounds is returned. By a metric, it ends after some rounds without a better ensemble.

    Args:
        members: probabilities (members, n, classes), or for log-loss those of the true class (members, n).
        losses: of mixtures of members.
        rounds: the most members that are added.
    """
    order = losses(members).argsort()
    prefixes = np.cumsum(members[order], axis=0)
    sizes = np.arange(1, len(members) + 1, dtype=members.dtype).reshape(-1, *[1] * (members.ndim - 1))
    size = 1 + int(losses(prefixes / sizes).argmin())
    total, counts = prefixes[size - 1], np.bincount(order[:size], minlength=len(members))
    best_loss, best, best_size = losses(total[None] / size)[0], counts, size
    for _ in range(rounds):
        size += 1
        candidates = losses((total + members) / size)
        winner = int(candidates.argmin())
        total, counts = total + members[winner], counts + np.eye(len(members), dtype=int)[winner]
        if candidates[winner] < best_loss:
            best_loss, best, best_size = candidates[winner], counts, size
        if size - best_size == PATIENCE_ROUNDS and losses is not _log_losses:
            break
    return best / best.sum()


def _log_losses(true: np.ndarray) -> np.ndarray:
    return -np.log(np.maximum(true, LEAST_PROBABILITY)).mean(axis=1, dtype=np.float64)


def _refined_weights(members: np.ndarray, losses: Losses, weights: np.ndarray) -> np.ndarray:
    """Return weights (members,) that are at least as good: shares move between two members while that lowers the loss.

    A metric such as ROC AUC has no useful gradient, so this is a pattern search from the weights of the log-loss.
    """
    mixture = np.tensordot(weights.astype(members.dtype), members, axes=1)
    best = losses(mixture[None])[0]
    for move in MOVES:
        for _ in range(MOST_PASSES):
            start = best
            for giver, taker in permutations(range(len(members)), 2):
                share = min(move, weights[giver])
                candidate = mixture + members.dtype.type(share) * (members[taker] - members[giver])
                loss = losses(candidate[None])[0] if share > 0 else best
                if loss < best:
                    best, mixture, weights = loss, candidate, weights.copy()
                    weights[[giver, taker]] += [-share, share]
            if best == start:
                break
    return weights


def _convex_weights(true: np.ndarray) -> np.ndarray:
    """Return the weights (members,) with the lowest log-loss, at least 0 and summing to one. The loss is convex."""
    members = np.maximum(true, LEAST_PROBABILITY).astype(np.float64)
    count, rows = members.shape

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = weights @ members
        return -np.log(mixed).mean(), -(members @ (1 / mixed)) / rows

    solution = minimize(
        loss,
        np.full(count, 1 / count),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones_like(w)},
        options={"ftol": 1e-7},
    )
    weights = np.clip(solution.x, 0, None)
    return weights / weights.sum()


def _regression(members: np.ndarray, labels: np.ndarray) -> LogisticRegression:
    return LogisticRegression(tol=1e-3, max_iter=200).fit(logit_features(members), labels)
