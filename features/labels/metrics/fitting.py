"""Fit the decisions that metrics judge, see `features.labels.metrics.decisions`."""

from collections.abc import Callable
from functools import partial

import numpy as np

from features.labels.metrics.decisions import Decision
from features.labels.metrics.f_scores import balanced_accuracy, macro_f1
from features.labels.metrics.kappa import expected_values, fit_cut_points
from features.labels.thresholds import fit_thresholds

EXPONENTS = np.linspace(0, 1, 11)  # of the classes' frequencies
SET_THRESHOLDS = np.linspace(0.05, 0.95, 37)


def as_probabilities(probabilities: np.ndarray, labels: np.ndarray) -> Decision:
    """Return the decision that changes nothing."""
    return Decision("probabilities")


def most_probable(probabilities: np.ndarray, labels: np.ndarray) -> Decision:
    """Return the decision for the most probable class, or for label sets the thresholds with the best F1."""
    return _thresholds(probabilities, labels) if labels.ndim == 2 else Decision("most_probable")


def weighted(
    score: Callable[[np.ndarray, np.ndarray], float], probabilities: np.ndarray, labels: np.ndarray
) -> Decision:
    """Return the weights of classes by their frequency: the power of it, from 0 to -1, with the best score.

    With -1, the decision has the best balanced accuracy if the probabilities are right. For label sets, see
    `most_probable`.
    """
    if labels.ndim == 2:
        return _thresholds(probabilities, labels)
    classes = probabilities.shape[1]
    frequencies = np.maximum(np.bincount(labels, minlength=classes), 1) / len(labels)
    decisions = [Decision("most_probable", tuple((frequencies**-power).tolist())) for power in EXPONENTS]
    return max(decisions, key=lambda decision: score(decision(probabilities), labels))


def cut_points(probabilities: np.ndarray, labels: np.ndarray) -> Decision:
    """Return the cut points of the expected class index with the best quadratic kappa."""
    values = expected_values(probabilities)
    return Decision("cut_points", tuple(fit_cut_points(values, labels, probabilities.shape[1]).tolist()))


def one_threshold(probabilities: np.ndarray, labels: np.ndarray) -> Decision:
    """Return the threshold for all labels with the best micro-averaged F1, or the most probable class."""
    if labels.ndim == 1:
        return Decision("most_probable")
    threshold = fit_thresholds(probabilities.reshape(-1, 1), labels.reshape(-1, 1))
    return Decision(_set_rule(labels), tuple(threshold.tolist()))


def sample_threshold(probabilities: np.ndarray, labels: np.ndarray) -> Decision:
    """Return the threshold for all labels with the best mean F1 of the rows."""
    decisions, true = [Decision(_set_rule(labels), (threshold,)) for threshold in SET_THRESHOLDS.tolist()], labels == 1

    def mean_f1(decision: Decision) -> float:  # as `sample_f1`, which is much slower
        predicted = decision(probabilities)
        sizes = np.maximum(predicted.sum(axis=1) + true.sum(axis=1), 1)
        return float((2 * (predicted & true).sum(axis=1) / sizes).mean())

    return max(decisions, key=mean_f1)


def present_or_absent(probabilities: np.ndarray, labels: np.ndarray) -> Decision:
    """Return the threshold of the second class with the best F1. Certain predictions have the best probabilistic F1."""
    return Decision("present_or_absent", tuple(fit_thresholds(probabilities[:, 1:], labels[:, None]).tolist()))


def ranked(k: int, probabilities: np.ndarray, labels: np.ndarray) -> Decision:
    """Return the decision for the k most probable classes."""
    return Decision("ranked", (k,))


for_balanced_accuracy = partial(weighted, balanced_accuracy)
for_macro_f1 = partial(weighted, macro_f1)


def _thresholds(probabilities: np.ndarray, labels: np.ndarray) -> Decision:
    return Decision(_set_rule(labels), tuple(fit_thresholds(probabilities, labels).tolist()))


def _set_rule(labels: np.ndarray) -> str:
    """Return the rule for label sets: no predicted set is empty if no true one is."""
    return "thresholds_or_nearest" if labels.any(axis=1).all() else "thresholds"
