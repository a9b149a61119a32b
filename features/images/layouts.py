"""Layouts of image arrays: every one becomes (n, height, width, channels)."""

import math

import numpy as np

CHANNELS = (1, 3)


def flat_shape(columns: int, image: tuple[int, ...] | None = None) -> tuple[int, int, int] | None:
    """Return (height, width, channels) of an image of so many values, or None where there is no such image.

    `image` is (height, width) or (height, width, channels) where declared. Otherwise the image is square,
    grey before colour.
    """
    for channels in CHANNELS:
        side = math.isqrt(columns // channels)
        height, width = image[:2] if image else (side, side)
        fits = height * width * channels == columns > 0
        if fits and (image is None or len(image) == 2 or image[2] == channels):
            return height, width, channels
    return None


def as_images(array: np.ndarray, image: tuple[int, ...] | None = None) -> np.ndarray:
    """Return a view (n, height, width, channels) of an array (n, pixels), (n, h, w) or (n, h, w, channels).

    The values of a flat row are in the order height, width, channels.

    Raises:
        ValueError: there are no images, or their shape is not `image` where declared, or no image at all.
    """
    if array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise ValueError(f"shape {array.shape}, expected (n, height, width[, channels]) or (n, pixels)")
    shape = flat_shape(array.shape[1], image) if array.ndim == 2 else (*array.shape[1:], 1)[:3]
    if shape is None:
        wish = _times(image) if image else "a square; declare image: [height, width] or [height, width, 3]"
        raise ValueError(f"{array.shape[1]} pixels a row are not {wish}")
    if shape[2] not in CHANNELS:
        raise ValueError(f"images of shape {_times(shape)}, expected 1 or 3 channels in the last place")
    if image is not None and shape[: len(image)] != tuple(image):
        raise ValueError(f"images of shape {_times(shape)}, expected {_times(image)}")
    return array.reshape(len(array), *shape)


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
