"""Random resized crops: a window of random area and shape, enlarged to the size of the image."""

import numpy as np

from features.augmentation.arrays import Array, namespace

MOST_ASPECT = 4 / 3  # of the window's shape, relative to the image's


def resized_crop(images: np.ndarray, most_share: float, rng: np.random.Generator) -> np.ndarray:
    """Return uint8 images (n, height, width, channels) of which up to `most_share` of the area is cut off.

    Source: Szegedy et al., "Going Deeper with Convolutions", 2014. It is torchvision's RandomResizedCrop, except that a
    window that is too long is cut to the image instead of drawn again.
    """
    n = len(images)
    kept_share, tallness, places = rng.uniform(1 - most_share, 1, n), rng.uniform(-1, 1, n), rng.random((n, 2))
    return enlarge(images, *crop_windows(kept_share, tallness, places, images.shape[1:3]))


def crop_windows(
    kept_share: Array, tallness: Array, places: Array, image_shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """Return the first corner and the sides, each (n, 2) in pixels, of a window for each image, of NumPy or JAX.

    Args:
        kept_share: float (n,), of the image's area.
        tallness: float (n,), from -1 for the widest window to 1 for the tallest one.
        places: float (n, 2), from 0 for the top and the left to 1.
        image_shape: (height, width) in pixels.
    """
    xp, sides = namespace(kept_share), np.array(image_shape)
    root, stretch = xp.sqrt(kept_share), xp.exp(tallness * np.log(MOST_ASPECT) / 2)
    window = xp.minimum(1, xp.stack([root * stretch, root / stretch], axis=1)) * sides
    return places * (sides - window), window


def enlarge(images: Array, corners: Array, sides: Array) -> Array:
    """Return a window of each uint8 image (n, height, width, channels), enlarged bilinearly, of NumPy or JAX.

    Two matrix products: one for the rows and one for the columns.
    """
    xp, (n, height, width, channels) = namespace(images), images.shape
    down, right = (_interpolation(corners[:, axis], sides[:, axis], images.shape[1 + axis]) for axis in (0, 1))
    tall = xp.matmul(down, images.astype(np.float32).reshape(n, height, width * channels))
    columns_first = xp.moveaxis(tall.reshape(n, height, width, channels), 1, 2).reshape(n, width, height * channels)
    out = xp.moveaxis(xp.matmul(right, columns_first).reshape(n, width, height, channels), 1, 2)
    return xp.rint(out).astype(np.uint8)


def _interpolation(start: Array, length: Array, side: int) -> Array:
    """Return matrices float32 (n, side, side) from pixels of the image to pixels of the window."""
    xp, pixels = namespace(start), np.arange(side, dtype=np.float32)
    places = xp.clip(start[:, None] + (pixels + 0.5) * length[:, None] / side - 0.5, 0, side - 1)
    return xp.maximum(0, 1 - xp.abs(places.astype(np.float32)[:, :, None] - pixels))
