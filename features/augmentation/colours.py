"""Change brightness, contrast, saturation and hue by one linear map of the colours of each image."""

import numpy as np

from features.augmentation.arrays import Array, namespace

YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])  # NTSC's, of RGB
LUMA, RGB = YIQ[0], np.linalg.inv(YIQ)
# Brightness alone; colour as it is; colour turned by a quarter. All three keep the brightness of a pixel.
GREY, COLOUR, TURNED = RGB[:, :1] @ YIQ[:1], RGB[:, 1:] @ YIQ[1:], RGB[:, 1:] @ np.array([[0, -1], [1, 0]]) @ YIQ[1:]


def jitter(
    images: np.ndarray,
    brightness_share: float,
    contrast_share: float,
    saturation_share: float,
    hue_share: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return uint8 images (n, height, width, channels) with random brightness, contrast and colours.

    Args:
        images: uint8 (n, height, width, channels). Only three channels have a saturation and a hue.
        brightness_share: up to this share of 255 is added or subtracted.
        contrast_share: distances from an image's mean brightness become up to this share larger or smaller.
        saturation_share: distances from grey become up to this share larger or smaller.
        hue_share: colours turn around grey by up to this share of a full turn, either way.
        rng: source of randomness.
    """
    shares = (brightness_share, contrast_share, saturation_share, hue_share)
    brightness, contrast, saturation, hue = rng.uniform(-1, 1, (4, len(images))) * np.array(shares)[:, None]
    return recolour(images, 255 * brightness, 1 + contrast, 1 + saturation, hue)


def recolour(images: Array, brightness: Array, contrast: Array, saturation: Array, hue: Array) -> Array:
    """Return uint8 images (n, height, width, channels) with other colours, clipped to 0..255, of NumPy or JAX.

    Args:
        images: uint8 (n, height, width, channels).
        brightness: float (n,), which is added.
        contrast: float (n,), the factor of distances from the image's mean brightness.
        saturation: float (n,), the factor of distances from grey.
        hue: float (n,), the angle in full turns by which the colours turn around grey.
    """
    xp, (n, height, width, channels) = namespace(images), images.shape
    pixels = images.reshape(n, height * width, channels).astype(np.float32)
    luma = LUMA if channels == 3 else np.full(channels, 1 / channels)
    offset = (1 - contrast) * (pixels.mean(axis=1) @ luma) + brightness
    contrast = contrast[:, None, None]
    if channels == 3:
        angle, saturation = 2 * np.pi * hue[:, None, None], saturation[:, None, None]
        colours = GREY + saturation * (xp.cos(angle) * COLOUR + xp.sin(angle) * TURNED)
        pixels = xp.matmul(pixels, xp.swapaxes(contrast * colours, 1, 2).astype(np.float32))
    else:
        pixels = pixels * contrast.astype(np.float32)
    pixels = xp.clip(pixels + offset[:, None, None].astype(np.float32), 0, 255)
    return xp.rint(pixels).astype(np.uint8).reshape(images.shape)
