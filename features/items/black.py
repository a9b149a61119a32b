"""Choose the threshold of black, because noise and lossy compression make a background that is only nearly black."""

from collections.abc import Iterator

import numpy as np

from features.images.audit import unlocated_rows
from features.items.connected_parts import Size
from features.items.locating import crop_items

SAMPLE_IMAGES = 200
FIRST_IMAGES = 20  # of the sample; if most of these are unlocated, the others are skipped
UNLOCATED_SHARE = 0.01  # of the images; a threshold with so few is good enough


def black_threshold(images: np.ndarray, count: int, size_pixels: Size) -> int:
    """Return the greatest value, 0 to 255, of pixels that count as black.

    An image is unlocated if an item is missing, or if pixels belong to no item. The result is the smallest threshold
    whose share of unlocated images, in a sample, is at most UNLOCATED_SHARE plus twice the best share. For images on
    exact black it is 0. Otsu's threshold would be too high: it separates bright and dark pixels of the same item.

    Args:
        images: uint8 (n, height, width, channels), only training images; may be memory-mapped.
        count: items in an image.
        size_pixels: (height, width) of a window; no item is larger.

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
    """Return the share of unlocated images."""
    for sample in (images[:: max(1, len(images) // FIRST_IMAGES)], images):
        rows = unlocated_rows([(sample, crop_items(sample, count, size, black))], black)
        share = len(np.union1d(*rows)) / max(1, len(sample))
        if share > 0.5:
            break
    return share
