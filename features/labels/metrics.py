"""How good probabilities are, of one class an image or, where the labels are indicators (n, labels), of label sets."""

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

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
    """Return accuracy, log-loss, and the means over classes of precision, recall, F1 and ROC AUC (one against rest).

    Of label sets also the micro-averaged F1 and the mean average precision. The area is None where a class has no row
    or no row is of another class.
    """
    classes = probabilities.shape[1]
    is_class = labels.astype(bool) if labels.ndim == 2 else labels[:, None] == np.arange(classes)
    chosen = probabilities >= THRESHOLD if labels.ndim == 2 else np.eye(classes, dtype=bool)[probabilities.argmax(1)]
    defined = is_class.any(axis=0).all() and not is_class.all(axis=0).any()
    return {
        "accuracy": accuracy(probabilities, labels),
        "log_loss": log_loss(probabilities, labels),
        **_precision_recall_f1(chosen, is_class, "macro"),
        "roc_auc": float(roc_auc_score(is_class, probabilities, average="macro")) if defined else None,
        **(_of_sets(probabilities, chosen, is_class) if labels.ndim == 2 else {}),
    }


def set_scores(chosen: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return report E's accuracy and micro- and macro-averaged F1 of chosen label sets, indicators (n, labels)."""
    return {
        "accuracy": float(set_hits(chosen, labels).mean()),
        "micro_f1": _precision_recall_f1(chosen, labels, "micro")["f1"],
        "macro_f1": _precision_recall_f1(chosen, labels, "macro")["f1"],
    }


def mean_average_precision(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean over labels of the average precision of their rankings; labels that no row has are left out."""
    found = labels.any(axis=0)
    return float(average_precision_score(labels[:, found], probabilities[:, found], average="macro"))


def _of_sets(probabilities: np.ndarray, chosen: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    return {
        "micro_f1": _precision_recall_f1(chosen, labels, "micro")["f1"],
        "mean_average_precision": mean_average_precision(probabilities, labels),
    }


def _precision_recall_f1(chosen: np.ndarray, labels: np.ndarray, average: str) -> dict[str, float]:
    figures = precision_recall_fscore_support(
        labels.astype(bool), chosen.astype(bool), average=average, zero_division=0
    )
    return {name: float(value) for name, value in zip(("precision", "recall", "f1"), figures, strict=False)}
