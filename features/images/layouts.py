"""Bring image arrays of any layout to (n, height, width, channels)."""

import math
from typing import Literal

import numpy as np

CHANNELS = (1, 3)  # without a declaration
MOST_CHANNELS = 16  # in the last place of an array without a declared number
Layout = Literal["interleaved", "planes"]  # red, green, blue pixel by pixel, or one whole plane after another
_SAMPLED_ROWS = 256
_PLANES_BELOW = 0.8  # ratio of differences: about 0.45 for planes, 3 for interleaved pixels, 1 for noise


def flat_shape(columns: int, image: tuple[int, ...] | None = None) -> tuple[int, int, int] | None:
    """Return (height, width, channels) of an image with so many values, or None if there is no such image.

    `image` is the declared (height, width) or (height, width, channels). Without it the image is square, and grey is
    tried before colour.
    """
    for channels in (image[2],) if image and len(image) == 3 else CHANNELS:
        side = math.isqrt(max(columns, 0) // channels)
        height, width = image[:2] if image else (side, side)
        if height * width * channels == columns > 0:
            return height, width, channels
    return None


def colour_layout(array: np.ndarray, image: tuple[int, ...] | None = None) -> Layout | None:
    """Return the layout of flat rows of colour images (n, pixels); None for grey images, or without flat rows.

    It is the layout in which vertical neighbours differ less, because neighbours in a picture are alike.
    """
    shape = flat_shape(array.shape[1], image) if array.ndim == 2 else None
    if shape is None or shape[2] == 1 or not len(array) or array.dtype.kind not in "biuf":
        return None
    sample = array[:: -(-len(array) // _SAMPLED_ROWS)].astype(np.float32)
    as_planes, as_pixels = (
        _vertical_difference(as_images(sample, image, layout)) for layout in ("planes", "interleaved")
    )
    return "planes" if as_planes < _PLANES_BELOW * as_pixels else "interleaved"


def _vertical_difference(images: np.ndarray) -> float:
    return float(np.abs(np.diff(images, axis=1)).mean()) if images.shape[1] > 1 else 0.0


def as_images(
    array: np.ndarray, image: tuple[int, ...] | None = None, layout: Layout | None = "interleaved"
) -> np.ndarray:
    """Return a view (n, height, width, channels) of (n, pixels), (n, h, w), (n, h, w, channels) or (n, channels, h, w).

    The values of a flat row are in the order height, width, channels, or with `planes` channels, height, width.

    Raises:
        ValueError: there are no images, or their shape is not the declared `image`, or not that of images.
    """
    if array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise ValueError(f"shape {array.shape}, expected (n, height, width[, channels]) or (n, pixels)")
    if array.ndim == 4 and _has_channels_first(array.shape, image):
        array = np.moveaxis(array, 1, 3)
    shape = flat_shape(array.shape[1], image) if array.ndim == 2 else (*array.shape[1:], 1)[:3]
    if shape is None:
        wish = _times(image) if image else "a square; declare image: [height, width] or [height, width, 3]"
        raise ValueError(f"{array.shape[1]} pixels a row are not {wish}")
    if shape[2] > MOST_CHANNELS and (image is None or len(image) < 3):
        raise ValueError(f"images of shape {_times(shape)}, expected 1 to {MOST_CHANNELS} channels in the last place")
    if image is not None and shape[: len(image)] != tuple(image):
        raise ValueError(f"images of shape {_times(shape)}, expected {_times(image)}")
    if array.ndim == 2 and layout == "planes":
        height, width, channels = shape
        return np.moveaxis(array.reshape(len(array), channels, height, width), 1, 3)
    return array.reshape(len(array), *shape)


def _has_channels_first(shape: tuple[int, ...], image: tuple[int, ...] | None) -> bool:
    if image is not None and len(image) == 3:
        return shape[1] == image[2] != shape[3]
    if shape[3] in CHANNELS or shape[1] in CHANNELS:
        return shape[3] not in CHANNELS
    return shape[1] < shape[3]


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
