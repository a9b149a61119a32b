"""Many figures about the same predictions, for people."""

import numpy as np

from features.labels.intervals import bounds
from features.labels.metrics.losses import log_loss
from features.labels.metrics.rankings import mean_average_precision, roc_auc
from features.labels.metrics.shares import THRESHOLD, accuracy, set_hits


def report(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """Return accuracy, log-loss, and macro precision, recall, F1 and ROC AUC (one class against the rest).

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
    return {
        "accuracy": accuracy(probabilities, labels),
        "log_loss": log_loss(probabilities, labels),
        **_macro(predicted_sets, is_class),
        "roc_auc": roc_auc(probabilities, is_class) if defined else None,
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
