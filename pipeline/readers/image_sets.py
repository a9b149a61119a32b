"""Labelled image sets that replicas are made of: scikit-learn's embedded digits, and Fashion-MNIST."""

import gzip
import hashlib
import math
import os
import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from pipeline.readers.compressed import check_ratio, check_regular, whole
from pipeline.storage.files import BadInput, writing

SIDE_PIXELS = 28
FASHION_MNIST_FOLDER = Path("data/fashion-mnist")
FASHION_MNIST_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
FASHION_MNIST_SHA256 = {
    "train-images-idx3-ubyte.gz": "11790711787bbf1e510c120ab3c111473621c3ffc6c8f712c81eb8a862109c16",
    "train-labels-idx1-ubyte.gz": "63e1d99bbb6136d69cf884b054751cde5ac122db776de4ffd08a2d938c9738d8",
    "t10k-images-idx3-ubyte.gz": "f2c28c03f07ada41c65308a91e7e591a3fce072aacaa91c787264c9fa758dd56",
    "t10k-labels-idx1-ubyte.gz": "a4e30b0f7dbcd9573c86b027d506e72c7aed23791636b39dd0107165441ca65a",
}
TIMEOUT_SECONDS = 30
UNSIGNED_BYTES = 0x08  # the element type in an idx header


@dataclass(frozen=True)
class Images:
    """Labelled images."""

    pixels: np.ndarray  # uint8 (n, 28, 28)
    labels: np.ndarray  # int64 (n,)


@dataclass(frozen=True)
class Source:
    """A labelled image set, split for good, so that replicas of any seed hold back the same test images."""

    train: Images
    test: Images
    price_of: dict[int, int]  # of the labels that have one


def load_source(name: str) -> Source:
    """Return the image set of that name: `digits` or `fashion-mnist`.

    Raises:
        BadInput: an unknown name, no internet, or a file that is not what it should be.
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
    return Source(
        Images(pixels[train], labels[train]),
        Images(pixels[test], labels[test]),
        {digit: digit for digit in range(1, 6)},
    )


def _bilinear(large: int, small: int) -> np.ndarray:
    """Return the weights, float64 (large, small), that enlarge one axis by linear interpolation."""
    centres = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    return np.maximum(0, 1 - np.abs(centres[:, None] - np.arange(small)))


def _fashion_mnist() -> Source:
    folder = os.environ.get("FASHION_MNIST_DIR")
    paths = [Path(folder, name) if folder else _downloaded(name) for name in FASHION_MNIST_SHA256]
    return Source(
        _images(paths[0], paths[1]),
        _images(paths[2], paths[3]),
        {label: label + 1 for label in range(5)},
    )


def _images(pixels_path: Path, labels_path: Path) -> Images:
    pixels, labels = read_idx(pixels_path, rank=3), read_idx(labels_path, rank=1)
    if len(pixels) != len(labels):
        raise BadInput(f"{labels_path}: {len(labels)} labels, expected one for each of {len(pixels)} images")
    return Images(pixels, labels.astype(np.int64))


def read_idx(path: Path, rank: int) -> np.ndarray:
    """Return the array, uint8 of that rank, of a gzipped idx file.

    Raises:
        BadInput: no gzip, another element type or rank, or more or fewer bytes than its header says.
        FileNotFoundError: no such file.
    """
    start = 4 + 4 * rank  # the magic number, then a size an axis, all 32-bit big-endian
    magic = bytes([0, 0, UNSIGNED_BYTES, rank])
    check_regular(path)
    with whole(path), gzip.open(path) as file:
        head = file.read(start)
        if len(head) < start or head[:4] != magic:
            raise BadInput(f"{path}: starts with {head[:4].hex()}, expected {magic.hex()}, an idx file of rank {rank}")
        shape = np.frombuffer(head[4:], ">u4").astype(int)
        size = math.prod(shape.tolist())
        check_ratio(path, size, path.stat().st_size)
        data = file.read(size + 1)  # to its end, but no bomb
    if len(data) != size:
        more = "or more " if len(data) > size else ""
        sizes = "x".join(map(str, shape))
        raise BadInput(f"{path}: holds {len(data)} {more}values, expected {size} ({sizes})")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _downloaded(name: str) -> Path:
    """Return the path of a Fashion-MNIST file, downloaded and checked where it is not there yet."""
    path = FASHION_MNIST_FOLDER / name
    if path.exists():
        return path
    url = f"{FASHION_MNIST_URL}/{name}"
    with writing(path) as part:
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response, part.open("wb") as file:
                shutil.copyfileobj(response, file)
        except OSError as error:
            raise BadInput(
                f"{url}: no download ({error}); set FASHION_MNIST_DIR to a folder that holds {name}"
            ) from error
        found = hashlib.sha256(part.read_bytes()).hexdigest()
        if found != FASHION_MNIST_SHA256[name]:
            raise BadInput(f"{url}: SHA-256 is {found}, expected {FASHION_MNIST_SHA256[name]}; nothing was kept")
    return path


SOURCES = {"digits": _digits, "fashion-mnist": _fashion_mnist}
