"""Compose price-sum images: items at free places on black, labelled with the sum of their prices."""

import itertools
from dataclasses import dataclass

import numpy as np

CHUNK_IMAGES = 4096


@dataclass(frozen=True)
class Composition:
    """The items of each image, and their places."""

    sums: np.ndarray  # int64 (n,), the labels
    items: np.ndarray  # int64 (n, count), rows of the pool
    corners: np.ndarray  # int64 (n, count, 2), (top, left) of each item in pixels


def compose(
    rng: np.random.Generator,
    n: int,
    prices: np.ndarray,
    sums: tuple[int, ...],
    count: int,
    item_pixels: tuple[int, int],
    canvas_pixels: tuple[int, int],
) -> Composition:
    """Draw the contents of `n` images with `count` items each.

    Every sum is equally frequent (if `n` is no multiple, the first ones have one image more). For each sum, prices are
    drawn uniformly among the ordered tuples with this sum. Items are drawn uniformly, with replacement, among those of
    the price. Places are drawn uniformly among all where no two items overlap.

    Args:
        rng: source of randomness.
        n: images.
        prices: int (pool,), the price of each item of the pool.
        sums: the labels.
        count: items in an image.
        item_pixels: (height, width) of an item.
        canvas_pixels: (height, width) of an image.

    Raises:
        ValueError: a sum is not the sum of any `count` prices, or the canvas is too small.
    """
    labels = rng.permutation(np.resize(np.array(sums), n))
    item_prices = _draw_prices(rng, labels, np.unique(prices), sums, count)
    items = np.empty_like(item_prices)
    for price in np.unique(item_prices):
        has_price = item_prices == price
        items[has_price] = rng.choice(np.flatnonzero(prices == price), has_price.sum())
    return Composition(labels, items, _draw_corners(rng, n, count, item_pixels, canvas_pixels))


def _draw_prices(
    rng: np.random.Generator, labels: np.ndarray, prices: np.ndarray, sums: tuple[int, ...], count: int
) -> np.ndarray:
    """Return prices (n, count) with each label as their sum, uniform among the ordered tuples with this sum."""
    ways = np.array(list(itertools.product(prices.tolist(), repeat=count))).reshape(-1, count)
    item_prices = np.empty((len(labels), count), np.int64)
    for label in sums:
        makes = ways[ways.sum(axis=1) == label]
        if not len(makes):
            raise ValueError(f"no {count} of the prices {prices.tolist()} make the sum {label}")
        has_label = labels == label
        item_prices[has_label] = rng.choice(makes, has_label.sum())
    return item_prices


def _draw_corners(
    rng: np.random.Generator, n: int, count: int, item: tuple[int, int], canvas: tuple[int, int]
) -> np.ndarray:
    """Return corners (n, count, 2) of items without overlap. An image with an overlap is drawn again as a whole."""
    if (canvas[0] // item[0]) * (canvas[1] // item[1]) < count:
        raise ValueError(f"{count} items of {item} pixels do not fit a canvas of {canvas} pixels")
    room = np.subtract(canvas, item) + 1
    corners = np.empty((n, count, 2), np.int64)
    waiting = np.arange(n)
    while len(waiting):
        corners[waiting] = rng.integers(0, room, (len(waiting), count, 2))
        waiting = waiting[_overlaps(corners[waiting], item)]
    return corners


def _overlaps(corners: np.ndarray, item: tuple[int, int]) -> np.ndarray:
    """Return which images, bool (n,), have two items that overlap."""
    first, second = np.triu_indices(corners.shape[1], k=1)
    apart = np.abs(corners[:, first] - corners[:, second])  # (n, pairs, 2)
    return (apart < item).all(axis=2).any(axis=1)


def paint(composition: Composition, pool: np.ndarray, canvas_pixels: tuple[int, int]) -> np.ndarray:
    """Return the images, uint8 (n, height, width), with items from `pool`, uint8 (pool, item height, item width)."""
    n, count = composition.items.shape
    images = np.zeros((n, *canvas_pixels), np.uint8)
    down, right = np.arange(pool.shape[1])[:, None], np.arange(pool.shape[2])
    for start in range(0, n, CHUNK_IMAGES):  # bounds the memory of the index arrays
        part = slice(start, start + CHUNK_IMAGES)
        chunk = images[part]
        image = np.arange(len(chunk))[:, None, None]
        for slot in range(count):
            top, left = composition.corners[part, slot].T[:, :, None, None]
            chunk[image, top + down, left + right] = pool[composition.items[part, slot]]
    return images
