"""Metrics that judge an order: of rows by their probability, or of the classes that are named for a row.

SciPy's statistics and scikit-learn are imported where they are used. They take a second, and most stages need neither.
"""

import numpy as np

KNEE = 0.4  # true positive rate of alaska2 below which its weight is 2, and above it 1
LOW_WEIGHT, HIGH_WEIGHT = 2.0, 1.0
UNKNOWN_AREA = 0.5  # of the ROC curve if all rows are positive, or none is


def indicators(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return labels as indicators, bool (n, classes)."""
    return labels.astype(bool) if labels.ndim == 2 else labels[:, None] == np.arange(classes)


def roc_auc(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean area under the ROC curves, one class against the rest, of the classes that some rows have and
    some have not.

    The area is the share of pairs in which the positive row has the higher rank (Mann and Whitney, 1947). It equals
    scikit-learn's `roc_auc_score`, which takes ten times longer on few rows, so that a bootstrap takes seconds.

    Args:
        probabilities: (n, classes).
        labels: class indices (n,), or indicators (n, classes).
    """
    true = indicators(labels, probabilities.shape[1])
    defined = true.any(axis=0) & ~true.all(axis=0)
    if not defined.any():
        return UNKNOWN_AREA
    from scipy.stats import rankdata

    true, ranks = true[:, defined], rankdata(probabilities[:, defined], axis=0)
    positives = true.sum(axis=0)
    wins = np.where(true, ranks, 0).sum(axis=0) - positives * (positives + 1) / 2
    return float((wins / positives / (len(true) - positives)).mean())


def weighted_roc_auc(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the area under the ROC curve as Kaggle's competition alaska2 weighs it.

    The part of the area below a true positive rate of 0.4 counts twice. The whole is divided by the weights' sum.

    Args:
        probabilities: of absent and present (n, 2).
        labels: 0 or 1 (n,).
    """
    if labels.min() == labels.max():
        return UNKNOWN_AREA
    from sklearn.metrics import roc_curve

    false_rates, true_rates, _ = roc_curve(labels, probabilities[:, 1])
    after = int(np.searchsorted(true_rates, KNEE, side="right"))
    knee = np.interp(KNEE, true_rates[after - 1 : after + 1], false_rates[after - 1 : after + 1])
    false_rates, true_rates = np.insert(false_rates, after, knee), np.insert(true_rates, after, KNEE)
    low = np.trapezoid(np.minimum(true_rates, KNEE), false_rates)
    high = np.trapezoid(np.maximum(true_rates, KNEE) - KNEE, false_rates)
    return float((LOW_WEIGHT * low + HIGH_WEIGHT * high) / (LOW_WEIGHT * KNEE + HIGH_WEIGHT * (1 - KNEE)))


def mean_average_precision(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the average precision, averaged over the labels that occur. It is 0 if no row has a label."""
    true = indicators(labels, probabilities.shape[1])
    occurring = true.any(axis=0)
    if not occurring.any():
        return 0.0
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(true[:, occurring], probabilities[:, occurring], average="macro"))


def map_at_k(rankings: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of 1 / rank of the true class (n,) in rankings (n, k), which is 0 if it is not named."""
    places = rankings == labels[:, None]
    return float((places / np.arange(1, rankings.shape[1] + 1)).sum(axis=1).mean())
