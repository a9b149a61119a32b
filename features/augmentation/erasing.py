"""Erase squares and rectangles at random places."""

import numpy as np

from features.augmentation.arrays import Array, namespace

LEAST_SHARE, MOST_SHARE, MOST_ASPECT = 0.02, 0.33, 3.3  # of an erased rectangle, as in the paper


def cutout(images: np.ndarray, side_pixels: int, rng: np.random.Generator) -> np.ndarray:
    """Return images with a black square, whose centre is anywhere in the image (DeVries and Taylor, "Cutout", 2017)."""
    height, width = images.shape[1:3]
    row, column = (rng.integers(0, side, len(images)) - side_pixels // 2 for side in (height, width))
    keep = ~rectangles(images.shape, row, column, side_pixels, side_pixels)
    return images * keep.astype(images.dtype)


def erase(images: np.ndarray, probability: float, rng: np.random.Generator) -> np.ndarray:
    """Return images, with `probability` with a rectangle of noise (Zhong et al., "Random Erasing", 2017)."""
    n, height, width, _ = images.shape
    tall, wide = rectangle_sides(rng.uniform(LEAST_SHARE, MOST_SHARE, n), rng.uniform(-1, 1, n), height, width)
    row, column = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
    tall[rng.random(n) >= probability] = 0
    noise = rng.integers(0, 256, images.shape, np.uint8)
    return np.where(rectangles(images.shape, row, column, tall, wide), noise, images)


def rectangle_sides(share: Array, tallness: Array, height: int, width: int) -> tuple[Array, Array]:
    """Return the height and the width (n,), in pixels, of a rectangle for each image, of NumPy or JAX.

    Args:
        share: float (n,), of the image's area.
        tallness: float (n,), from -1 for a width of MOST_ASPECT times the height to 1 for the opposite.
        height: of the images.
        width: of the images.
    """
    xp = namespace(share)
    area, aspect = share * height * width, xp.exp(tallness * np.log(MOST_ASPECT))
    tall = xp.clip(xp.rint(xp.sqrt(area * aspect)), 1, height).astype(int)
    wide = xp.clip(xp.rint(xp.sqrt(area / aspect)), 1, width).astype(int)
    return tall, wide


def rectangles(shape: tuple[int, ...], row: Array, column: Array, tall: Array, wide: Array) -> Array:
    """Return the mask (n, height, width, 1) of one rectangle for each image, of NumPy or JAX.

    Args:
        shape: of the images (n, height, width, channels).
        row: the first one of each rectangle, int (n,).
        column: the same.
        tall: the number of rows, int (n,) or one for all.
        wide: the number of columns.
    """
    xp, (_, height, width, _) = namespace(row), shape
    rows = (xp.arange(height) >= row[:, None]) & (xp.arange(height) < (row + tall)[:, None])
    columns = (xp.arange(width) >= column[:, None]) & (xp.arange(width) < (column + wide)[:, None])
    return (rows[:, :, None] & columns[:, None, :])[..., None]
