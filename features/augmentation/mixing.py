"""Mix several images into one, and their targets in the same shares."""

import numpy as np

from features.augmentation.arrays import Array, namespace
from features.augmentation.warps import windows

# uint8 images (n, height, width, channels), float32 targets (n, classes)
ImagesAndTargets = tuple[np.ndarray, np.ndarray]


def mixup(images: np.ndarray, targets: np.ndarray, alpha: float, rng: np.random.Generator) -> ImagesAndTargets:
    """Return each image blended with another, in shares from Beta(alpha, alpha) (Zhang et al., "mixup", 2018)."""
    share, other = rng.beta(alpha, alpha, len(images)).astype(np.float32), rng.permutation(len(images))
    return blend(images, targets, share, other)


def blend(images: Array, targets: Array, share: Array, other: Array) -> tuple[Array, Array]:
    """Return each image with `share`, float32 (n,), and the image at `other`, int (n,), with the rest; NumPy or JAX."""
    xp = namespace(share)
    image_share = xp.expand_dims(share, tuple(range(1, images.ndim)))
    blended = images * image_share + images[other] * (1 - image_share)
    return xp.rint(blended).astype(xp.uint8), targets * share[:, None] + targets[other] * (1 - share)[:, None]


def cutmix(images: np.ndarray, targets: np.ndarray, alpha: float, rng: np.random.Generator) -> ImagesAndTargets:
    """Return each image with a rectangle from another one, at the same place in all (Yun et al., "CutMix", 2019)."""
    n, height, width, _ = images.shape
    side = np.sqrt(rng.beta(alpha, alpha))
    centre = rng.integers(0, (height, width))
    low = np.maximum(0, np.rint(centre - side * np.array([height, width]) / 2).astype(int))
    high = np.minimum((height, width), np.rint(centre + side * np.array([height, width]) / 2).astype(int))
    place, other = (slice(None), slice(low[0], high[0]), slice(low[1], high[1])), rng.permutation(n)
    out = images.copy()
    out[place] = images[other][place]
    share = np.float32(np.prod(high - low) / (height * width))
    return out, targets * (1 - share) + targets[other] * share


def ricap(images: np.ndarray, targets: np.ndarray, beta: float, rng: np.random.Generator) -> ImagesAndTargets:
    """Return images made of random crops of four images, in shares from Beta(beta, beta) (arXiv 1811.09030)."""
    n, height, width, _ = images.shape
    row, column = (round(side * rng.beta(beta, beta)) for side in (height, width))
    out, mixed_targets = np.empty_like(images), np.zeros_like(targets)
    for top, bottom in ((0, row), (row, height)):
        for left, right in ((0, column), (column, width)):
            other = rng.permutation(n)
            out[:, top:bottom, left:right] = windows(images[other], bottom - top, right - left, rng)
            mixed_targets += targets[other] * np.float32((bottom - top) * (right - left) / (height * width))
    return out, mixed_targets
