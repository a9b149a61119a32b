"""How good probabilities are."""

import numpy as np
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

LEAST_PROBABILITY = 1e-7


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean negative log-probability of the true class; probabilities (n, classes), labels (n,)."""
    true = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(true, LEAST_PROBABILITY)).mean())


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of rows whose largest probability is that of the true class."""
    return float((probabilities.argmax(axis=1) == labels).mean())


def classification(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """Return accuracy and log-loss, and the means over classes of precision, recall, F1 and ROC AUC (one against rest).

    The area is None where a class has no row or no row is of another class.
    """
    classes = probabilities.shape[1]
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=np.arange(classes), average="macro", zero_division=0
    )
    is_class = labels[:, None] == np.arange(classes)
    defined = is_class.any(axis=0).all() and not is_class.all(axis=0).any()
    return {
        "accuracy": accuracy(probabilities, labels),
        "log_loss": log_loss(probabilities, labels),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "roc_auc": float(roc_auc_score(is_class, probabilities, average="macro")) if defined else None,
    }
