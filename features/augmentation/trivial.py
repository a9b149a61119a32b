"""TrivialAugment: one random change of random strength for each image (Müller and Hutter, 2021), with nothing to tune.

The changes and ranges are those of the paper's wide space, as in torchvision's TrivialAugmentWide. Translations are
relative: the paper's 32 pixels are a seventh of ImageNet's side.
"""

import numpy as np

from features.augmentation.arrays import Array, namespace
from features.augmentation.colours import recolour
from features.augmentation.warps import warp

MOST_DEGREES, MOST_SHEAR, MOST_TRANSLATION, MOST_FACTOR, MOST_BITS = 135, 0.99, 1 / 7, 0.99, 6
WARPS = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
COLOURS = ("contrast", "saturation")
TABLES = ("brightness", "posterise", "solarise", "autocontrast", "equalise")
CHANGES = ("identity", *WARPS, *COLOURS, *TABLES, "sharpness")
HISTOGRAM = 256


def trivial_augment(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return uint8 images (n, height, width, channels), each changed in one way."""
    n, out = len(images), images.copy()
    change, strength = rng.integers(0, len(CHANGES), n), rng.uniform(-1, 1, n)
    for names, way in WAYS:
        rows = np.flatnonzero(np.isin(change, [CHANGES.index(name) for name in names]))
        if len(rows):
            out[rows] = way(images[rows], change[rows], strength[rows])
    return out


def warped(images: Array, change: Array, strength: Array) -> Array:
    """Return the images, and those whose `change` is one of WARPS warped, of NumPy or JAX.

    Args:
        images: uint8 (n, height, width, channels).
        change: indices of CHANGES, int (n,).
        strength: float (n,), -1..1. The sign is the direction, where there is one.
    """
    xp, (height, width) = namespace(images), images.shape[1:3]
    rotation, shear_x, shear_y, right, down = (_of(name, change, strength) for name in WARPS)
    angle, half = rotation * np.deg2rad(MOST_DEGREES), max(height, width) / 2
    cosine, sine = xp.cos(angle), xp.sin(angle)
    rows = (
        (cosine, shear_x * MOST_SHEAR - sine, right * MOST_TRANSLATION * width / half),
        (shear_y * MOST_SHEAR + sine, cosine, down * MOST_TRANSLATION * height / half),
    )
    return warp(images, xp.stack([xp.stack(row, axis=-1) for row in rows], axis=1))


def coloured(images: Array, change: Array, strength: Array) -> Array:
    """Return the images, and those whose `change` is one of COLOURS with other colours. Arguments as in `warped`."""
    contrast, saturation = (1 + MOST_FACTOR * _of(name, change, strength) for name in COLOURS)
    zero = 0 * contrast
    return recolour(images, zero, contrast, saturation, zero)


def by_table(images: Array, change: Array, strength: Array) -> Array:
    """Return the images, and those whose `change` is one of TABLES with other values. Arguments as in `warped`.

    Each channel of an image has a table with the new value of every old one.
    """
    xp, (n, *_, channels) = namespace(images), images.shape
    values, strength = np.arange(HISTOGRAM), strength[:, None, None]
    share = xp.abs(strength)
    brightened = xp.clip(xp.rint(values * (1 + MOST_FACTOR * strength)), 0, HISTOGRAM - 1)
    bits = xp.rint(MOST_BITS * share).astype(int)
    solarised = xp.where(values >= HISTOGRAM * (1 - share), HISTOGRAM - 1 - values, values)
    flat = (np.arange(n * channels).reshape(n, 1, 1, channels) * HISTOGRAM + images).reshape(-1)
    counts = _counts(flat, n * channels * HISTOGRAM).reshape(n, channels, HISTOGRAM)
    table = xp.broadcast_to(values, counts.shape)
    for name, other in (
        ("brightness", brightened),
        ("posterise", (values >> bits) << bits),
        ("solarise", solarised),
        ("autocontrast", _stretched(counts)),
        ("equalise", _equalised(counts)),
    ):
        table = xp.where((change == CHANGES.index(name))[:, None, None], other, table)
    return table.reshape(-1)[flat].astype(np.uint8).reshape(images.shape)


def sharpened(images: Array, change: Array, strength: Array) -> Array:
    """Return the images, and those whose `change` is sharpness sharper or smoother. Arguments as in `warped`.

    As in Pillow, the smoothest image has the means of 3x3 pixels, with weight 5 in the middle, and the border stays.
    """
    xp, (height, width) = namespace(images), images.shape[1:3]
    if min(height, width) < 3:
        return images
    pixels = images.astype(np.float32)
    around = sum(
        pixels[:, row : height - 2 + row, column : width - 2 + column] for row in range(3) for column in range(3)
    )
    middle = pixels[:, 1:-1, 1:-1]
    detail = xp.pad(middle - (around + 4 * middle) / 13, ((0, 0), (1, 1), (1, 1), (0, 0)))
    gain = (MOST_FACTOR * _of("sharpness", change, strength)).astype(np.float32)[:, None, None, None]
    return xp.rint(xp.clip(pixels + gain * detail, 0, 255)).astype(np.uint8)


WAYS = ((WARPS, warped), (COLOURS, coloured), (TABLES, by_table), (("sharpness",), sharpened))


def _of(name: str, change: Array, strength: Array) -> Array:
    """Return the strength (n,) of one change: 0 for the images that have another one."""
    return namespace(strength).where(change == CHANGES.index(name), strength, 0)


def _counts(values: Array, length: int) -> Array:
    """Return how often each number below `length` occurs, int (length,)."""
    xp = namespace(values)
    return np.bincount(values, minlength=length) if xp is np else xp.bincount(values, length=length)


def _stretched(counts: Array) -> Array:
    """Return tables that spread the values of each channel over 0..255. `counts` are histograms (n, channels, 256)."""
    xp, values = namespace(counts), np.arange(HISTOGRAM)
    low = xp.argmax(counts > 0, axis=-1)[..., None]
    high = HISTOGRAM - 1 - xp.argmax(counts[..., ::-1] > 0, axis=-1)[..., None]
    spread = xp.rint((values - low) * (HISTOGRAM - 1) / xp.maximum(1, high - low))
    return xp.where(high > low, xp.clip(spread, 0, HISTOGRAM - 1), values)


def _equalised(counts: Array) -> Array:
    """Return tables after which all values of a channel are about equally frequent, as in Pillow."""
    xp, values = namespace(counts), np.arange(HISTOGRAM)
    total, highest = counts.sum(axis=-1, keepdims=True), xp.argmax(counts[..., ::-1] > 0, axis=-1)[..., None]
    step = (total - xp.take_along_axis(counts[..., ::-1], highest, axis=-1)) // (HISTOGRAM - 1)
    before = xp.cumsum(counts, axis=-1) - counts
    table = xp.minimum((step // 2 + before) // xp.maximum(1, step), HISTOGRAM - 1)
    return xp.where(step > 0, table, values)
