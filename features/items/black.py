"""Choosing what counts as black: noise and lossy compression leave a background that is only nearly black."""

from collections.abc import Iterator

import numpy as np

from features.images.audit import unlocated_rows
from features.items.connected_parts import Size
from features.items.locating import crop_items

SAMPLE_IMAGES = 200
FIRST_IMAGES = 20  # of the sample; the others are not looked at where most of these are unlocated
UNLOCATED_SHARE = 0.01  # of the images, with which a threshold is as good as any


def black_threshold(images: np.ndarray, count: int, size_pixels: Size) -> int:
    """Return the greatest value, 0 to 255, of pixels that count as black.

    The smallest threshold is taken that locates the items of a sample of the images: it leaves black no more than
    UNLOCATED_SHARE and twice the best share of images in which an item is missing or pixels belong to no item. Images
    on exact black have 0. Otsu's threshold would be too high: it parts bright pixels from dark ones of the same item.

    Args:
        images: uint8 (n, height, width, channels), training images alone; may be memory-mapped.
        count: items an image.
        size_pixels: (height, width) of a window, which no item exceeds.

    Raises:
        ValueError: as `crop_items`.
    """
    rows = np.unique(np.linspace(0, len(images) - 1, SAMPLE_IMAGES).astype(int)) if len(images) else []
    sample, shares = np.asarray(images[rows]), {}
    for black in _candidates():
        shares[black] = _unlocated_share(sample, count, size_pixels, black)
        if shares[black] <= UNLOCATED_SHARE:
            break
    tolerated = UNLOCATED_SHARE + 2 * min(shares.values())
    return next(black for black, share in shares.items() if share <= tolerated)


def _candidates() -> Iterator[int]:
    black = 0
    while black < 255:
        yield black
        black += max(1, black // 4)


def _unlocated_share(images: np.ndarray, count: int, size: Size, black: int) -> float:
    """Return the share of images in which an item is missing or pixels belong to no item."""
    for sample in (images[:: max(1, len(images) // FIRST_IMAGES)], images):
        rows = unlocated_rows([(sample, crop_items(sample, count, size, black))], black)
        share = len(np.union1d(*rows)) / max(1, len(sample))
        if share > 0.5:
            break
    return share
