"""Locate items on black. Every image has a known number of items, and each item is cut out into a window.

The connected components of the pixels that are not black are assigned to items (`features.items.connected_parts`).
"""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from features.items.connected_parts import Part, Size, assign_parts, largest_first

CHUNK_IMAGES = 256  # fits into the caches, so it is a third faster than 2048
NEIGHBOURS = np.ones((3, 3), int)  # also diagonally


def crop_items(images: np.ndarray, count: int, size_pixels: Size, black: int = 0) -> np.ndarray:
    """Return the `count` items of each image, each in a window of its own.

    An item is centred in its window, without its neighbours' pixels, so it looks the same wherever it was. Items are
    sorted by the top of their box, then by its left. An item that is not found is a black window at the end. Pixels
    that fit no window are dropped.

    Args:
        images: uint8 (n, height, width, channels), items on black.
        count: items in an image.
        size_pixels: (height, width) of a window; no item is larger.
        black: the greatest value of black pixels (`features.items.black`). A pixel belongs to an item if one of its
            channels is brighter. All other pixels are 0 in a window.

    Returns:
        uint8 (n, count, window height, window width, channels).

    Raises:
        ValueError: the images are not uint8 of rank 4, the count is outside 1..255, or the size is below 1.
    """
    _check(images, count, size_pixels)
    crops = np.empty((len(images), count, *size_pixels, images.shape[3]), np.uint8)
    for chunk, rows, owners, boxes in _locate_chunks(images, count, size_pixels, black):
        crops[rows] = _cut(chunk, owners, boxes, size_pixels)
    return crops


def locate_items(images: np.ndarray, count: int, size_pixels: Size, black: int = 0) -> np.ndarray:
    """Return the boxes of the items that `crop_items` cuts out, in the same order.

    Returns:
        int64 (n, count, 4): top, left, bottom, right of an item's own pixels, the last two excluded; four zeros if an
        item is not found.

    Raises:
        ValueError: as `crop_items`.
    """
    _check(images, count, size_pixels)
    item_boxes = np.empty((len(images), count, 4), np.int64)
    for _, rows, _, boxes in _locate_chunks(images, count, size_pixels, black):
        item_boxes[rows] = boxes
    return item_boxes


def _check(images: np.ndarray, count: int, size: Size) -> None:
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(f"expected uint8 images (n, height, width, channels), not {images.dtype} {images.shape}")
    if not 1 <= count <= 255 or min(size) < 1:
        raise ValueError(f"expected 1 to 255 items of at least one pixel, not {count} of {size}")


def _locate_chunks(images: np.ndarray, count: int, size: Size, black: int) -> Iterator[tuple]:
    """Yield chunks of images: the images, their rows, the item of each pixel, and the boxes of the items."""
    for start in range(0, len(images), CHUNK_IMAGES):
        rows = slice(start, start + CHUNK_IMAGES)
        chunk = np.asarray(images[rows])
        yield chunk, rows, *_locate(np.any(chunk > black, axis=3), count, size)


def _locate(is_bright: np.ndarray, count: int, size: Size) -> tuple[np.ndarray, np.ndarray]:
    """Return each pixel's item, counted from 1, 0 for none, uint8 (n, height, width), and boxes, int (n, count, 4)."""
    labels, components = _components(is_bright)
    owner_of = np.zeros(1 + sum(map(len, components)), np.uint8)  # by label
    boxes = np.zeros((len(is_bright), count, 4), np.int64)
    pieces = []
    for image, parts in enumerate(components):
        items, assignments = assign_parts(parts, labels[image], count, size)
        order = sorted(range(len(items)), key=items.__getitem__)
        for place, item in enumerate(order):
            boxes[image, place] = items[item]
        for part, item in assignments:
            if part.pixel_places is None:
                owner_of[part.label] = order.index(item) + 1
            else:
                pieces.append((image, *part.pixel_places, order.index(item) + 1))
    owners = owner_of[labels]
    for image, rows, columns, owner in pieces:
        owners[image, rows, columns] = owner
    return owners, boxes


def _components(is_bright: np.ndarray) -> tuple[np.ndarray, list[list[Part]]]:
    """Return the label of each pixel, and the components of each image, the largest first."""
    n, height, width = is_bright.shape
    tall = np.zeros((n, height + 1, width), bool)  # a black row separates the images, so one call labels them all
    tall[:, :height] = is_bright
    labels, total = ndimage.label(tall.reshape(-1, width), NEIGHBOURS)
    pixels = np.bincount(labels.ravel(), minlength=total + 1).tolist()
    components = [[] for _ in range(n)]
    for label, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        image, top = divmod(rows.start, height + 1)
        box = (top, columns.start, top + rows.stop - rows.start, columns.stop)
        components[image].append(Part(pixels[label], box, label))
    for parts in components:
        parts.sort(key=largest_first)
    return labels.reshape(tall.shape)[:, :height], components


def _cut(images: np.ndarray, owners: np.ndarray, boxes: np.ndarray, size: Size) -> np.ndarray:
    """Return the windows around the boxes, uint8 (n, count, window height, window width, channels)."""
    (height, width), count = size, boxes.shape[1]
    around = ((0, 0), (height, height), (width, width))
    images, owners = np.pad(images, (*around, (0, 0))), np.pad(owners, around)
    extents = boxes[..., 2:] - boxes[..., :2]
    starts = boxes[..., :2] - (np.array(size) - extents) // 2 + np.array(size)  # in padded pixels
    image = np.arange(len(images))[:, None, None, None]
    rows = (starts[..., 0, None] + np.arange(height))[..., :, None]
    columns = (starts[..., 1, None] + np.arange(width))[..., None, :]
    is_own = owners[image, rows, columns] == np.arange(1, count + 1)[:, None, None]
    return images[image, rows, columns] * is_own[..., None]
