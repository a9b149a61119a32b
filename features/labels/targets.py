"""Labels as a network learns them, and its outputs as probabilities of them.

Labels are class indices (n,), one an image, or, in a multi-label task, label sets as indicators (n, labels).
"""

import numpy as np
from scipy.special import expit, softmax


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return targets float32 (n, classes)."""
    return labels.astype(np.float32) if labels.ndim == 2 else np.eye(classes, dtype=np.float32)[labels]


def probabilities(logits: np.ndarray, multi_label: bool) -> np.ndarray:
    """Return probabilities (n, classes): of one class among all, or of each label by itself."""
    return expit(logits) if multi_label else softmax(logits, axis=1)


def confidence(probabilities: np.ndarray, multi_label: bool) -> np.ndarray:
    """Return how probable (n,) each row's likeliest class is; of a label set, its least certain label's state."""
    if multi_label:
        return np.maximum(probabilities, 1 - probabilities).min(axis=1)
    return probabilities.max(axis=1)


def distinct(labels: np.ndarray, classes: list[int | str], separator: str = " ") -> tuple[np.ndarray, list[int | str]]:
    """Return codes (n,) of what each row is labelled with, and what each code stands for: a class or a written set."""
    if labels.ndim == 1:
        return labels, classes
    sets, codes = np.unique(labels, axis=0, return_inverse=True)
    return codes.reshape(-1), [written(row, classes, separator) for row in sets]


def written(indicators: np.ndarray, classes: list[int | str], separator: str) -> str:
    """Return one label set (labels,) as a text."""
    return separator.join(str(classes[index]) for index in np.flatnonzero(indicators))


def as_binary(probabilities: np.ndarray) -> np.ndarray:
    """Return (..., n * labels, 2) of (..., n, labels): every label of every image as a row, absent or present."""
    both = np.stack([1 - probabilities, probabilities], axis=-1)
    return both.reshape(*probabilities.shape[:-2], -1, 2)


def from_binary(probabilities: np.ndarray, labels: int) -> np.ndarray:
    """Return (n, labels) of what `as_binary` makes of it."""
    return probabilities[:, 1].reshape(-1, labels)
