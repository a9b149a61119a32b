"""Statistics of training images, with which models normalise."""

from collections.abc import Iterable

import numpy as np


def image_statistics(parts: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean (c,), standard deviation (c,) and per-pixel mean (h, w, c), float64 on the scale 0..255.

    `parts` are consecutive chunks of images, each (rows, h, w, c) uint8, so the images need not fit into memory.

    Raises:
        ValueError: there are no images.
    """
    count, sums, squares = 0, np.zeros(()), np.zeros(())
    for part in parts:
        count += len(part)
        sums = sums + part.sum(axis=0, dtype=np.float64)
        squares = squares + np.square(part, dtype=np.uint16).sum(axis=(0, 1, 2), dtype=np.float64)
    if count == 0:
        raise ValueError("no images to take statistics of")
    pixel_mean = sums / count
    mean = pixel_mean.mean(axis=(0, 1))
    variance = squares / (count * pixel_mean[..., 0].size) - mean**2
    return mean, np.sqrt(np.maximum(variance, 0)), pixel_mean
