"""Composing price-sum images: items at free places on black, labelled with the sum of their prices."""

import itertools
from dataclasses import dataclass

import numpy as np

CHUNK_IMAGES = 4096


@dataclass(frozen=True)
class Composition:
    """What lies where in each image."""

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
    """Draw what `n` images of `count` items show, every sum equally often (the first ones once more if need be).

    Within a sum, prices are drawn uniformly among the ordered tuples that make it, items uniformly among
    those of that price, with replacement, and places uniformly among all where no two items overlap.

    Args:
        rng: the source of all that is random.
        n: images.
        prices: int (pool,), the price of each item of the pool.
        sums: the labels wanted.
        count: items an image.
        item_pixels: (height, width) of an item.
        canvas_pixels: (height, width) of an image.

    Raises:
        ValueError: a sum that no `count` prices make, or a canvas too small.
    """
    labels = rng.permutation(np.resize(np.array(sums), n))
    drawn = _draw_prices(rng, labels, np.unique(prices), sums, count)
    items = np.empty_like(drawn)
    for price in np.unique(drawn):
        chosen = drawn == price
        items[chosen] = rng.choice(np.flatnonzero(prices == price), chosen.sum())
    return Composition(labels, items, _draw_corners(rng, n, count, item_pixels, canvas_pixels))


def _draw_prices(
    rng: np.random.Generator, labels: np.ndarray, prices: np.ndarray, sums: tuple[int, ...], count: int
) -> np.ndarray:
    """Return prices (n, count) that make each label, uniform among the ordered ways to make it."""
    ways = np.array(list(itertools.product(prices.tolist(), repeat=count))).reshape(-1, count)
    drawn = np.empty((len(labels), count), np.int64)
    for label in sums:
        makes = ways[ways.sum(axis=1) == label]
        if not len(makes):
            raise ValueError(f"no {count} of the prices {prices.tolist()} make the sum {label}")
        chosen = labels == label
        drawn[chosen] = rng.choice(makes, chosen.sum())
    return drawn


def _draw_corners(
    rng: np.random.Generator, n: int, count: int, item: tuple[int, int], canvas: tuple[int, int]
) -> np.ndarray:
    """Return (n, count, 2) corners without overlap: an image that has one is drawn again as a whole."""
    if (canvas[0] // item[0]) * (canvas[1] // item[1]) < count:
        raise ValueError(f"{count} items of {item} pixels do not fit a canvas of {canvas} pixels")
    room = np.array(canvas) - item + 1
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
    """Return the images, uint8 (n, height, width), of items `pool`, uint8 (pool, item height, item width)."""
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
