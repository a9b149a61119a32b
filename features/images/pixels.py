"""Check pixel values and convert them to uint8; resize and pad images."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from features.images.fitting import fit_channels

CHUNK_VALUES = 1 << 22


def image_and_pixel(row: int, index: tuple[int, ...]) -> str:
    """Return the place of a value for a message. `index` is its index in any array whose first axis counts images."""
    return f"image {row} (counted from 0), pixel {index[1:]}"


def to_pixels(
    values: np.ndarray,
    scale: float = 1.0,
    where: Callable[[tuple[int, ...]], str] = lambda index: image_and_pixel(index[0], index),
) -> np.ndarray:
    """Return `values` times `scale` as uint8 of the same shape. With scale 1, uint8 values are returned without a copy.

    Fractions are rounded only if `scale` is not 1. `where` describes the index of a bad value in the error.

    Raises:
        ValueError: the values are no numbers, or one is NaN, a fraction, or outside 0..255.
    """
    if values.dtype.kind not in "biuf":
        raise ValueError(f"pixels of dtype {values.dtype}, expected numbers")
    if values.dtype == np.uint8 and scale == 1:
        return values
    pixels = np.empty(values.shape, np.uint8)
    rows = max(1, CHUNK_VALUES // max(1, values[:1].size))
    for start in range(0, len(values), rows):
        chunk = values[start : start + rows]
        bad = _first_bad(scaled := _scale(chunk, scale))
        if bad is not None:
            place = where((start + bad[0], *bad[1:]))
            raise ValueError(f"{place}: {_complaint(chunk[bad].item(), scale)}")
        pixels[start : start + rows] = scaled
    return pixels


def _scale(values: np.ndarray, scale: float) -> np.ndarray:
    with np.errstate(all="ignore"):  # the caller reports overflows and NaN
        return values if scale == 1 else np.round(values * np.float64(scale))


def _first_bad(values: np.ndarray) -> tuple[int, ...] | None:
    good = (values >= 0) & (values <= 255)  # False for NaN
    if values.dtype.kind == "f":
        good &= values == np.round(values)
    return None if good.all() else tuple(int(axis) for axis in np.argwhere(~good)[0])


def _complaint(value: float, scale: float) -> str:
    scaled = "" if scale == 1 else f" times pixel_scale {scale:g}"
    hint = "; declare pixel_scale: 255 if the pixels are 0..1" if scale == 1 and 0 < value < 1 else ""
    return f"pixel {value}{scaled} is not a whole number in 0..255{hint}"


def resize(images: np.ndarray, size_pixels: tuple[int, int]) -> np.ndarray:
    """Return images (n, h, w, c) uint8 resized bilinearly to `size_pixels`, (height, width)."""
    height, width = size_pixels
    resized = np.empty((len(images), height, width, images.shape[3]), np.uint8)
    for row, image in enumerate(images):
        if image.shape[2] not in (1, 3):
            planes = fit_channels(image.astype(np.float32), size_pixels, "stretch", "black")
            resized[row] = np.rint(planes)
            continue
        picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        resized[row] = np.asarray(picture).reshape(height, width, -1)
    return resized


def pad(images: np.ndarray, size_pixels: tuple[int, int]) -> np.ndarray:
    """Return images (n, h, w, c) uint8 centred on a black canvas of `size_pixels`, (height, width).

    Raises:
        ValueError: the images are larger than `size_pixels`.
    """
    rows, height, width, channels = images.shape
    if height > size_pixels[0] or width > size_pixels[1]:
        size = "x".join(map(str, size_pixels))
        raise ValueError(f"images of {height}x{width} are larger than pad_pixels {size}")
    top, left = (size_pixels[0] - height) // 2, (size_pixels[1] - width) // 2
    padded = np.zeros((rows, *size_pixels, channels), np.uint8)
    padded[:, top : top + height, left : left + width] = images
    return padded
