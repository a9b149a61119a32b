"""Labelled image sets for replicas: the digits in scikit-learn, and published sets."""

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from pipeline.readers.published_sets import FASHION_MNIST, MNIST, Images, read_cifar_10, read_idx_set
from pipeline.storage.files import BadInput

__all__ = ["Images", "Source", "load_source"]
SIDE_PIXELS = 28


@dataclass(frozen=True)
class Source:
    """A labelled image set with a fixed split, so that replicas with any seed have the same test images."""

    train: Images
    test: Images
    price_of: dict[int, int]  # the price of each label that has one
    is_original: bool = True  # whether the images are the published ones


def load_source(name: str) -> Source:
    """Return the image set with that name: `digits`, `fashion-mnist`, `mnist` or `cifar-10`.

    Raises:
        BadInput: the name is unknown, the download failed, or a file has other bytes than expected.
    """
    if name not in SOURCES:
        raise BadInput(f"source {name!r} is unknown; known are {', '.join(SOURCES)}")
    return SOURCES[name]()


def _digits() -> Source:
    small, labels = load_digits(return_X_y=True)  # 0..16, 8x8
    small = small.reshape(-1, 8, 8)
    enlarge = _bilinear(SIDE_PIXELS, 8)
    pixels = np.rint(enlarge @ (small * 255 / 16) @ enlarge.T).astype(np.uint8)
    train, test = train_test_split(np.arange(len(labels)), test_size=0.2, stratify=labels, random_state=0)
    return Source(Images(pixels[train], labels[train]), Images(pixels[test], labels[test]), DIGIT_PRICES)


def _bilinear(large: int, small: int) -> np.ndarray:
    """Return the weights, float64 (large, small), that enlarge one axis by linear interpolation."""
    centres = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    return np.maximum(0, 1 - np.abs(centres[:, None] - np.arange(small)))


def _fashion_mnist() -> Source:
    train, test, is_original = read_idx_set(FASHION_MNIST)
    return Source(train, test, {label: label + 1 for label in range(5)}, is_original)


def _mnist() -> Source:
    train, test, is_original = read_idx_set(MNIST)
    return Source(train, test, DIGIT_PRICES, is_original)


def _cifar_10() -> Source:
    train, test, is_original = read_cifar_10()
    return Source(train, test, {}, is_original)


DIGIT_PRICES = {digit: digit for digit in range(1, 6)}
SOURCES = {"digits": _digits, "fashion-mnist": _fashion_mnist, "mnist": _mnist, "cifar-10": _cifar_10}
