"""Erase squares and rectangles at random places."""

import numpy as np

LEAST_SHARE, MOST_SHARE, MOST_ASPECT = 0.02, 0.33, 3.3  # of an erased rectangle, as in the paper


def cutout(images: np.ndarray, side_pixels: int, rng: np.random.Generator) -> np.ndarray:
    """Return images with a black square, whose centre is anywhere in the image (DeVries and Taylor, "Cutout", 2017)."""
    height, width = images.shape[1:3]
    row, column = (rng.integers(0, side, len(images)) - side_pixels // 2 for side in (height, width))
    keep = ~_rectangles(images.shape, row, column, side_pixels, side_pixels)
    return images * keep.astype(images.dtype)


def erase(images: np.ndarray, probability: float, rng: np.random.Generator) -> np.ndarray:
    """Return images, with `probability` with a rectangle of noise (Zhong et al., "Random Erasing", 2017)."""
    n, height, width, _ = images.shape
    area = rng.uniform(LEAST_SHARE, MOST_SHARE, n) * height * width
    aspect = np.exp(rng.uniform(-1, 1, n) * np.log(MOST_ASPECT))
    tall = np.clip(np.rint(np.sqrt(area * aspect)), 1, height).astype(int)
    wide = np.clip(np.rint(np.sqrt(area / aspect)), 1, width).astype(int)
    row, column = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
    tall[rng.random(n) >= probability] = 0
    noise = rng.integers(0, 256, images.shape, np.uint8)
    return np.where(_rectangles(images.shape, row, column, tall, wide), noise, images)


def _rectangles(
    shape: tuple[int, ...], row: np.ndarray, column: np.ndarray, tall: np.ndarray | int, wide: np.ndarray | int
) -> np.ndarray:
    """Return the mask (n, height, width, 1) of one rectangle for each image."""
    n, height, width, _ = shape
    tall, wide = np.broadcast_to(tall, n), np.broadcast_to(wide, n)
    rows = (np.arange(height) >= row[:, None]) & (np.arange(height) < (row + tall)[:, None])
    columns = (np.arange(width) >= column[:, None]) & (np.arange(width) < (column + wide)[:, None])
    return (rows[:, :, None] & columns[:, None, :])[..., None]
