"""Change brightness and contrast."""

import numpy as np


def light(images: np.ndarray, brightness_share: float, contrast_share: float, rng: np.random.Generator) -> np.ndarray:
    """Return uint8 images (n, height, width, channels) with random brightness and contrast, clipped to 0..255.

    Args:
        images: uint8 (n, height, width, channels).
        brightness_share: up to this share of 255 is added or subtracted.
        contrast_share: distances from an image's mean become up to this share larger or smaller.
        rng: source of randomness.
    """
    n = len(images)
    brightness = rng.uniform(-brightness_share, brightness_share, n).astype(np.float32) * 255
    factor = 1 + rng.uniform(-contrast_share, contrast_share, n).astype(np.float32)
    offset = images.mean(axis=(1, 2, 3), dtype=np.float32) * (1 - factor) + brightness
    lit = images * factor[:, None, None, None] + offset[:, None, None, None]
    return np.rint(np.clip(lit, 0, 255, out=lit), out=lit).astype(np.uint8)
