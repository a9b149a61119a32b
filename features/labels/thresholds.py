"""Turn probabilities of labels into label sets."""

import numpy as np


def fit_thresholds(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the threshold (labels,) with the best F1 for each label, half-way between two probabilities.

    For a label that no row has, the threshold is above all probabilities.

    Args:
        probabilities: (n, labels).
        labels: indicators (n, labels).
    """
    return np.array([_threshold(p, y) for p, y in zip(probabilities.T, labels.T.astype(bool), strict=True)])


def _threshold(probabilities: np.ndarray, labels: np.ndarray) -> float:
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order].astype(np.float64)
    if not labels.any():
        return float((1 + ranked[0]) / 2)
    f1 = 2 * np.cumsum(labels[order]) / (np.arange(1, len(order) + 1) + labels.sum())
    ends = np.append(ranked[:-1] > ranked[1:], True)  # a threshold cannot separate equal probabilities
    last = int(np.where(ends, f1, -1).argmax())
    return float((ranked[last] + (ranked[last + 1] if last + 1 < len(ranked) else 0)) / 2)


def choose(probabilities: np.ndarray, thresholds: np.ndarray, at_least_one: bool) -> np.ndarray:
    """Return label sets, bool (n, labels): the labels whose probability reaches their threshold.

    With `at_least_one`, an empty set gets the label with the largest ratio of probability to threshold.
    """
    label_sets = probabilities >= thresholds
    if at_least_one:
        empty = np.flatnonzero(~label_sets.any(axis=1))
        nearest = (probabilities[empty] / np.maximum(thresholds, np.finfo(np.float32).tiny)).argmax(axis=1)
        label_sets[empty, nearest] = True
    return label_sets
