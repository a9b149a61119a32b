"""Metrics of probabilities: of one class for each image or, if the labels are indicators (n, labels), of label sets."""

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from features.labels.intervals import bounds

LEAST_PROBABILITY = 1e-7
THRESHOLD = 0.5  # from which a label is in a set, until better thresholds are fitted


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean negative log-probability of the true class, or of every label's presence or absence.

    Args:
        probabilities: (n, classes).
        labels: class indices (n,), or indicators (n, classes).
    """
    if labels.ndim == 2:
        true = np.where(labels, probabilities, 1 - probabilities)
    else:
        true = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(true, LEAST_PROBABILITY)).mean())


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


def report(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """Return accuracy with its 95 % interval, log-loss, and macro precision, recall, F1 and ROC AUC (one against rest).

    Label sets also get the micro-averaged F1 and the mean average precision. Precision, recall and F1 are averaged over
    the classes that occur in the labels or in the predictions, as in scikit-learn. A class that is predicted but never
    true counts 0. ROC AUC is None if a class has no row, or if all rows are of one class.
    """
    classes = probabilities.shape[1]
    is_class = labels.astype(bool) if labels.ndim == 2 else labels[:, None] == np.arange(classes)
    if labels.ndim == 2:
        predicted_sets = probabilities >= THRESHOLD
    else:
        predicted_sets = np.eye(classes, dtype=bool)[probabilities.argmax(1)]
    defined = is_class.any(axis=0).all() and not is_class.all(axis=0).any()
    score = accuracy(probabilities, labels)
    return {
        "accuracy": score,
        **bounds(score, len(labels)),
        "log_loss": log_loss(probabilities, labels),
        **_macro(predicted_sets, is_class),
        "roc_auc": float(roc_auc_score(is_class, probabilities, average="macro")) if defined else None,
        **(_of_sets(probabilities, predicted_sets, is_class) if labels.ndim == 2 else {}),
    }


def set_scores(predicted_sets: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return report E's accuracy with its 95 % interval, and micro- and macro-averaged F1, see `report`.

    Args:
        predicted_sets: indicators of the predicted label sets (n, labels).
        labels: indicators of the true ones (n, labels).
    """
    predicted_sets, labels = predicted_sets.astype(bool), labels.astype(bool)
    score = float(set_hits(predicted_sets, labels).mean())
    return {
        "accuracy": score,
        **bounds(score, len(labels)),
        "micro_f1": _micro_f1(predicted_sets, labels),
        "macro_f1": _macro(predicted_sets, labels)["f1"],
    }


def mean_average_precision(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the average precision, averaged over the labels that occur. It is 0 if no row has a label."""
    occurring = labels.any(axis=0)
    if not occurring.any():
        return 0.0
    return float(average_precision_score(labels[:, occurring], probabilities[:, occurring], average="macro"))


def _of_sets(probabilities: np.ndarray, predicted_sets: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    return {
        "micro_f1": _micro_f1(predicted_sets, labels),
        "mean_average_precision": mean_average_precision(probabilities, labels),
    }


def _macro(predicted_sets: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the means of precision, recall and F1 over the classes that occur in either of the indicators."""
    occurring = (predicted_sets | labels).any(axis=0)
    if not occurring.any():
        return {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    counted = (predicted_sets & labels, predicted_sets, labels)
    right, predicted, true = (indicators[:, occurring].sum(axis=0) for indicators in counted)
    return {
        "precision": float((right / np.maximum(predicted, 1)).mean()),
        "recall": float((right / np.maximum(true, 1)).mean()),
        "f1": float((2 * right / (predicted + true)).mean()),
    }


def _micro_f1(predicted_sets: np.ndarray, labels: np.ndarray) -> float:
    return float(2 * (predicted_sets & labels).sum() / max(1, predicted_sets.sum() + labels.sum()))
