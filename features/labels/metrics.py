"""How good probabilities are, of one class an image or, where the labels are indicators (n, labels), of label sets."""

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from features.labels.intervals import bounds

LEAST_PROBABILITY = 1e-7
THRESHOLD = 0.5  # of a label in a set, until better ones are known


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean negative log-probability of the true class, or of each label's presence or absence.

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
    """Return the share of rows that are right, see `hits`."""
    return float(hits(probabilities, labels).mean())


def hits(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which rows, bool (n,), are right: the largest probability is that of the true class.

    Of label sets, what reaches 0.5 is chosen, and `set_hits` says which rows are right.
    """
    if labels.ndim == 2:
        return set_hits(probabilities >= THRESHOLD, labels)
    return probabilities.argmax(axis=1) == labels


def set_hits(chosen: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which rows, bool (n,), of chosen labels (n, labels) are right: some, and all of them true (report E)."""
    chosen, labels = chosen.astype(bool), labels.astype(bool)
    return chosen.any(axis=1) & (~chosen | labels).all(axis=1)


def report(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """Return accuracy with its 95 % interval, log-loss, and macro precision, recall, F1 and ROC AUC (one against rest).

    For label sets also the micro-averaged F1 and the mean average precision. The means of precision, recall and F1 are
    over the classes that occur in the labels or in the predictions, as scikit-learn's are. A class that is predicted
    and never true counts 0. The area is None where a class has no row or no row is of another class.
    """
    classes = probabilities.shape[1]
    is_class = labels.astype(bool) if labels.ndim == 2 else labels[:, None] == np.arange(classes)
    chosen = probabilities >= THRESHOLD if labels.ndim == 2 else np.eye(classes, dtype=bool)[probabilities.argmax(1)]
    defined = is_class.any(axis=0).all() and not is_class.all(axis=0).any()
    score = accuracy(probabilities, labels)
    return {
        "accuracy": score,
        **bounds(score, len(labels)),
        "log_loss": log_loss(probabilities, labels),
        **_macro(chosen, is_class),
        "roc_auc": float(roc_auc_score(is_class, probabilities, average="macro")) if defined else None,
        **(_of_sets(probabilities, chosen, is_class) if labels.ndim == 2 else {}),
    }


def set_scores(chosen: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return report E's accuracy with its 95 % interval, and micro- and macro-averaged F1, see `report`.

    Args:
        chosen: indicators of the predicted label sets (n, labels).
        labels: indicators of the true ones (n, labels).
    """
    chosen, labels = chosen.astype(bool), labels.astype(bool)
    score = float(set_hits(chosen, labels).mean())
    return {
        "accuracy": score,
        **bounds(score, len(labels)),
        "micro_f1": _micro_f1(chosen, labels),
        "macro_f1": _macro(chosen, labels)["f1"],
    }


def mean_average_precision(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean over labels of the average precision of their rankings; labels that no row has are left out.

    Where no row has any label it is 0.
    """
    occurring = labels.any(axis=0)
    if not occurring.any():
        return 0.0
    return float(average_precision_score(labels[:, occurring], probabilities[:, occurring], average="macro"))


def _of_sets(probabilities: np.ndarray, chosen: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    return {
        "micro_f1": _micro_f1(chosen, labels),
        "mean_average_precision": mean_average_precision(probabilities, labels),
    }


def _macro(chosen: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the means of precision, recall and F1 over the classes that occur in either of the indicators."""
    occurring = (chosen | labels).any(axis=0)
    if not occurring.any():
        return {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    right, predicted, true = (each[:, occurring].sum(axis=0) for each in (chosen & labels, chosen, labels))
    return {
        "precision": float((right / np.maximum(predicted, 1)).mean()),
        "recall": float((right / np.maximum(true, 1)).mean()),
        "f1": float((2 * right / (predicted + true)).mean()),
    }


def _micro_f1(chosen: np.ndarray, labels: np.ndarray) -> float:
    return float(2 * (chosen & labels).sum() / max(1, chosen.sum() + labels.sum()))
