"""Log-loss, with the clipping of a network's float32 probabilities and with that of Kaggle."""

import numpy as np

LEAST_PROBABILITY = 1e-7
KAGGLE_LEAST_PROBABILITY = 1e-15


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


def kaggle_log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the log-loss as Kaggle defines it: rows are scaled to sum to one, then clipped to 1e-15..1 - 1e-15.

    Label sets are not scaled. Without any probability in a row, all its classes get the least one.

    Args:
        probabilities: (n, classes).
        labels: class indices (n,), or indicators (n, classes).
    """
    values = probabilities.astype(np.float64)
    if labels.ndim == 1:
        sums = values.sum(axis=1, keepdims=True)
        values = values / np.where(sums > 0, sums, 1)
        true = values[np.arange(len(labels)), labels]
    else:
        true = np.where(labels, values, 1 - values)
    return float(-np.log(np.clip(true, KAGGLE_LEAST_PROBABILITY, 1 - KAGGLE_LEAST_PROBABILITY)).mean())
