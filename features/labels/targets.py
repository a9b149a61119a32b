"""Turn labels into training targets, and a network's outputs into probabilities.

Labels are class indices (n,), one for each image, or, in a multi-label task, label sets as indicators (n, labels).
"""

import numpy as np
from scipy.special import expit, softmax


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return targets float32 (n, classes)."""
    return labels.astype(np.float32) if labels.ndim == 2 else np.eye(classes, dtype=np.float32)[labels]


def probabilities(logits: np.ndarray, multi_label: bool) -> np.ndarray:
    """Return probabilities (n, classes): of one class among all, or of every label independently."""
    return expit(logits) if multi_label else softmax(logits, axis=1)


def confidence(probabilities: np.ndarray, multi_label: bool) -> np.ndarray:
    """Return the confidence (n,): the largest class probability or, for label sets, that of the least certain label."""
    if multi_label:
        return np.maximum(probabilities, 1 - probabilities).min(axis=1)
    return probabilities.max(axis=1)


def distinct_labels(
    labels: np.ndarray, classes: list[int | str], separator: str = " "
) -> tuple[np.ndarray, list[int | str]]:
    """Return a code (n,) for each row's label, and the meaning of each code: a class, or a label set as text."""
    if labels.ndim == 1:
        return labels, classes
    sets, codes = np.unique(labels, axis=0, return_inverse=True)
    return codes.reshape(-1), [label_set_text(row, classes, separator) for row in sets]


def label_set_text(indicators: np.ndarray, classes: list[int | str], separator: str) -> str:
    """Return one label set (labels,) as a text."""
    return separator.join(str(classes[index]) for index in np.flatnonzero(indicators))


def as_binary(probabilities: np.ndarray) -> np.ndarray:
    """Return (..., n * labels, 2) from (..., n, labels): a row for every label of every image, absent and present."""
    both = np.stack([1 - probabilities, probabilities], axis=-1)
    return both.reshape(*probabilities.shape[:-2], -1, 2)


def from_binary(probabilities: np.ndarray, labels: int) -> np.ndarray:
    """Return (n, labels) from the form that `as_binary` returns, (n * labels, 2)."""
    return probabilities[:, 1].reshape(-1, labels)
