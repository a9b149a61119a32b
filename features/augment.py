"""Random changes to a batch of training images that keep their labels: seeded, batched, uint8 in and out."""

import numpy as np


def flip(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return images (n, height, width, channels), each mirrored left to right with probability one half."""
    mirrored = rng.random(len(images)) < 0.5
    out = images.copy()
    out[mirrored] = images[mirrored, :, ::-1]
    return out


def shift(images: np.ndarray, most_pixels: int, rng: np.random.Generator) -> np.ndarray:
    """Return images moved by up to `most_pixels` either way on each axis; what moves in is black."""
    n, height, width, channels = images.shape
    side = 2 * most_pixels + 1
    padded = np.zeros((n, height + side - 1, width + side - 1, channels), images.dtype)
    padded[:, most_pixels : most_pixels + height, most_pixels : most_pixels + width] = images
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    down, right = rng.integers(0, side, (2, n))
    return np.ascontiguousarray(np.moveaxis(windows[np.arange(n), down, right], 1, -1))


def erase(images: np.ndarray, side_pixels: int, rng: np.random.Generator) -> np.ndarray:
    """Return images with one black square each, its centre anywhere (DeVries and Taylor, "Cutout", 2017)."""
    n, height, width, _ = images.shape
    row, column = rng.integers(0, height, n) - side_pixels // 2, rng.integers(0, width, n) - side_pixels // 2
    rows = (np.arange(height) >= row[:, None]) & (np.arange(height) < row[:, None] + side_pixels)
    columns = (np.arange(width) >= column[:, None]) & (np.arange(width) < column[:, None] + side_pixels)
    keep = ~(rows[:, :, None] & columns[:, None, :])
    return images * keep[..., None].astype(images.dtype)


def augmented(
    images: np.ndarray,
    rng: np.random.Generator,
    *,
    flip_on: bool = False,
    shift_pixels: int = 0,
    erase_pixels: int = 0,
) -> np.ndarray:
    """Return uint8 images (..., height, width, channels) with each change that is on; leading axes are one batch."""
    batch = images.reshape(-1, *images.shape[-3:])
    if flip_on:
        batch = flip(batch, rng)
    if shift_pixels:
        batch = shift(batch, shift_pixels, rng)
    if erase_pixels:
        batch = erase(batch, erase_pixels, rng)
    return batch.reshape(images.shape)


def views(flip_on: bool, shift_pixels: int) -> list[tuple[bool, int]]:
    """Return the views of test-time augmentation as (mirrored, shift in pixels down and right)."""
    shifts = (0, -shift_pixels, shift_pixels) if shift_pixels else (0,)
    return [(mirrored, by) for by in shifts for mirrored in ((False, True) if flip_on else (False,))]


def view(images: np.ndarray, mirrored: bool, by_pixels: int) -> np.ndarray:
    """Return one view of images (..., height, width, channels); what moves in is black."""
    if mirrored:
        images = images[..., ::-1, :]
    if by_pixels == 0:
        return images
    out = np.zeros_like(images)
    source, target = (slice(0, -by_pixels), slice(by_pixels, None))
    if by_pixels < 0:
        source, target = (slice(-by_pixels, None), slice(0, by_pixels))
    out[..., target, target, :] = images[..., source, source, :]
    return out
