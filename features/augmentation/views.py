"""The views of test-time augmentation."""

import numpy as np


def views(flip_on: bool, shift_pixels: int) -> list[tuple[bool, int]]:
    """Return the views of test-time augmentation as (mirrored, shift in pixels, both down and right)."""
    shifts = (0, -shift_pixels, shift_pixels) if shift_pixels else (0,)
    return [(mirrored, by) for by in shifts for mirrored in ((False, True) if flip_on else (False,))]


def view(images: np.ndarray, mirrored: bool, by_pixels: int) -> np.ndarray:
    """Return one view of images (..., height, width, channels). The uncovered border is black."""
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
