"""Several images with one answer: their probabilities become those of the answer."""

from typing import Literal

import numpy as np


def combine(
    probabilities: np.ndarray, answer_of_row: np.ndarray, by: Literal["mean", "max"], label_sets: bool
) -> np.ndarray:
    """Return the probabilities float32 (..., answers, classes) of answers from those of their images.

    The maximum of two classes is that of the last one: one image that shows it is enough. The maxima of more classes
    are divided by their sum.

    Args:
        probabilities: (..., n, classes).
        answer_of_row: (n,) int, the index of each image's answer; every answer has an image.
        by: mean or maximum.
        label_sets: whether an image can have several labels.
    """
    order = np.argsort(answer_of_row, kind="stable")
    starts = np.searchsorted(answer_of_row[order], np.arange(answer_of_row.max() + 1))
    ordered = np.take(probabilities, order, axis=-2).astype(np.float64)
    if by == "mean":
        sizes = np.bincount(answer_of_row)[:, None]
        return (np.add.reduceat(ordered, starts, axis=-2) / sizes).astype(np.float32)
    largest = np.maximum.reduceat(ordered, starts, axis=-2)
    if not label_sets and largest.shape[-1] == 2:
        largest[..., 0] = 1 - largest[..., 1]
    elif not label_sets:
        largest /= largest.sum(axis=-1, keepdims=True)
    return largest.astype(np.float32)
