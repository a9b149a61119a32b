"""Metrics that are a share of right rows: each row is right or wrong."""

import numpy as np

THRESHOLD = 0.5  # from which a label is in a set, until better thresholds are fitted


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of right rows, see `hits`."""
    return float(hits(probabilities, labels).mean())


def hits(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which rows, bool (n,), are right: the largest probability is that of the true class.

    In label sets, a label is predicted from a probability of 0.5 on; see `set_hits` for which rows are right.
    """
    if labels.ndim == 2:
        return set_hits(probabilities >= THRESHOLD, labels)
    return probabilities.argmax(axis=1) == labels


def set_hits(predicted_sets: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which rows, bool (n,), are right: some labels are predicted, and all of them are true (report E).

    Args:
        predicted_sets: indicators of the predicted label sets (n, labels).
        labels: indicators of the true ones (n, labels).
    """
    predicted_sets, labels = predicted_sets.astype(bool), labels.astype(bool)
    return predicted_sets.any(axis=1) & (~predicted_sets | labels).all(axis=1)


def label_hits(predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which rows, bool (n,), are right: the predicted class (n,) is the true one, or see `set_hits`."""
    return set_hits(predicted, labels) if labels.ndim == 2 else predicted == labels


def ranking_hits(rankings: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return in which rows, bool (n,), one of the classes of a ranking (n, k) is the true one."""
    return (rankings == labels[:, None]).any(axis=1)
