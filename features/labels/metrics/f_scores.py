"""F1 scores, macro-averaged recall, and the F1 of probabilities."""

import numpy as np


def macro_f1(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean F1 of the classes that occur in either argument or, for label sets, of all labels.

    Args:
        predicted: class indices (n,), or indicators (n, labels).
        labels: the true ones, in the same form.
    """
    return _f1(predicted, labels, "macro")


def micro_f1(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Return the F1 of all rows and labels together. For single labels it equals accuracy; see `macro_f1`."""
    return _f1(predicted, labels, "micro")


def sample_f1(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean F1 of the rows (n, labels). A row without predicted and true labels has 0."""
    return _f1(predicted, labels, "samples")


def balanced_accuracy(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean recall of the classes that occur in the labels (n,), as `balanced_accuracy_score` does."""
    from sklearn.metrics import recall_score

    return float(recall_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0))


def probabilistic_f1(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the F1 with probabilities in place of counts (Yacouby and Axman, "Probabilistic Extension of Precision,
    Recall, and F1 Score", 2020), as in RSNA's breast cancer competition.

    Args:
        probabilities: of absent and present (n, 2).
        labels: 0 or 1 (n,).
    """
    present = np.clip(probabilities[:, 1].astype(np.float64), 0, 1)
    total = present.sum() + labels.sum()
    return float(2 * present[labels == 1].sum() / total) if total else 0.0


def _f1(predicted: np.ndarray, labels: np.ndarray, average: str) -> float:
    from sklearn.metrics import f1_score  # takes a second, and most stages do not need it

    return float(f1_score(labels, predicted, average=average, zero_division=0))
