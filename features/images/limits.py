"""Measured values, such as decibels or counts, to the scale of pixels."""

from collections.abc import Sequence

import numpy as np

Limits = tuple[tuple[float, float], ...]  # (low, high) for each channel, or one pair for all
_PERCENTILES = (0.5, 99.5)
_MOST_VALUES = 1 << 22  # of a channel, from which the percentiles are taken


def robust_limits(images: Sequence[np.ndarray]) -> Limits:
    """Return for each channel the values below and above which half a percent of the finite values lie.

    `images` are (height, width, channels), numbers. Use training images alone. Whole numbers in 0..255 are pixels
    already, so their limits are 0 and 255.

    Raises:
        ValueError: a channel has no finite value.
    """
    if all(image.dtype.kind in "biu" and image.min() >= 0 and image.max() <= 255 for image in images):
        return ((0.0, 255.0),)
    stride = -(-sum(image[..., 0].size for image in images) // _MOST_VALUES)
    limits = []
    for channel in range(images[0].shape[-1]):
        values = np.concatenate([image[..., channel].ravel()[::stride] for image in images]).astype(np.float64)
        values = values[np.isfinite(values)]
        if not len(values):
            raise ValueError(f"channel {channel} has no finite value")
        low, high = np.percentile(values, _PERCENTILES).tolist()
        limits.append((low, high) if high > low else (low, low + 1))
    return tuple(limits)


def to_scale(values: np.ndarray, limits: Limits) -> np.ndarray:
    """Return values (..., channels) as float32 on the scale 0..255: low becomes 0, high 255.

    What lies outside is clipped. What is not finite becomes 0, but infinity 255.
    """
    low, high = np.array(limits, np.float32).T
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = (values.astype(np.float32) - low) * (255 / (high - low))
    return np.nan_to_num(scaled, copy=False, nan=0, posinf=255, neginf=0).clip(0, 255, out=scaled)
