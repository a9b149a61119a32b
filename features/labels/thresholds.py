"""From probabilities of labels to label sets."""

import numpy as np


def fit_thresholds(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the threshold (labels,) of each label with the best F1 on these rows, half-way between two of them.

    A label that no row has is chosen for none of these rows.

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
    ends = np.append(ranked[:-1] > ranked[1:], True)  # equal probabilities are chosen together or not at all
    last = int(np.where(ends, f1, -1).argmax())
    return float((ranked[last] + (ranked[last + 1] if last + 1 < len(ranked) else 0)) / 2)


def choose(probabilities: np.ndarray, thresholds: np.ndarray, at_least_one: bool) -> np.ndarray:
    """Return label sets, bool (n, labels), of what reaches its threshold.

    With `at_least_one`, an empty set gets the label that comes nearest to its threshold, in proportion.
    """
    chosen = probabilities >= thresholds
    if at_least_one:
        empty = np.flatnonzero(~chosen.any(axis=1))
        nearest = (probabilities[empty] / np.maximum(thresholds, np.finfo(np.float32).tiny)).argmax(axis=1)
        chosen[empty, nearest] = True
    return chosen


def honest_choice(probabilities: np.ndarray, labels: np.ndarray, parts: np.ndarray, at_least_one: bool) -> np.ndarray:
    """Return label sets, bool (n, labels), each part's by thresholds that were fitted on the other parts."""
    chosen = np.zeros(labels.shape, bool)
    for part in np.unique(parts):
        held_out = parts == part
        thresholds = fit_thresholds(probabilities[~held_out], labels[~held_out])
        chosen[held_out] = choose(probabilities[held_out], thresholds, at_least_one)
    return chosen
