"""Labelled image sets for replicas: the digits in scikit-learn, and Fashion-MNIST."""

import hashlib
import os
import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from pipeline.readers.idx import UNSIGNED_BYTES, read_idx
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
# MD5 of the uncompressed idx files: training images and labels, test images and labels.
FASHION_MNIST_RELEASES = (
    (
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",  # as on Zalando's page
        "9018921c3c673c538a1fc5bad174d6f9",
        "8181f5470baa50b63fa0f6fddb340f0a",
        "15d484375f8d13e6eb1aabb0c3f46965",
    ),
    (
        "b2be5f69ef2f686f3e180c02078c3f6b",  # in the files with FASHION_MNIST_SHA256
        "e90d7cb27e9d7835cbe0f50d602d9846",
        "949be36899d105f6bd0b02f1204bd299",
        "6f819a0b4e91f54baf8d48761a4ac66f",
    ),
)
TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Images:
    """Labelled images."""

    pixels: np.ndarray  # uint8 (n, 28, 28)
    labels: np.ndarray  # int64 (n,)


@dataclass(frozen=True)
class Source:
    """A labelled image set with a fixed split, so that replicas with any seed have the same test images."""

    train: Images
    test: Images
    price_of: dict[int, int]  # the price of each label that has one
    is_original: bool = True  # whether the images are the published ones


def load_source(name: str) -> Source:
    """Return the image set with that name: `digits` or `fashion-mnist`.

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
    paths = [_in_folder(Path(folder, name)) if folder else _downloaded(name) for name in FASHION_MNIST_SHA256]
    train, test = _images(paths[0], paths[1]), _images(paths[2], paths[3])
    prices = {label: label + 1 for label in range(5)}
    return Source(train, test, prices, is_original=_idx_md5s(train, test) in FASHION_MNIST_RELEASES)


def _in_folder(path: Path) -> Path:
    """Return the path of a gzipped idx file, or of the plain one if only that exists."""
    plain = path.with_suffix("")
    return plain if plain.exists() and not path.exists() else path


def _idx_md5s(*parts: Images) -> tuple[str, ...]:
    """Return the MD5 of each part's images and labels as idx files."""
    arrays = [array for part in parts for array in (part.pixels, part.labels.astype(np.uint8))]
    headers = [bytes([0, 0, UNSIGNED_BYTES, array.ndim]) + np.array(array.shape, ">u4").tobytes() for array in arrays]
    return tuple(
        hashlib.md5(header + array.tobytes(), usedforsecurity=False).hexdigest()
        for header, array in zip(headers, arrays, strict=True)
    )


def _images(pixels_path: Path, labels_path: Path) -> Images:
    pixels, labels = read_idx(pixels_path, rank=3), read_idx(labels_path, rank=1)
    if len(pixels) != len(labels):
        raise BadInput(f"{labels_path}: {len(labels)} labels, expected one for each of {len(pixels)} images")
    return Images(pixels, labels.astype(np.int64))


def _downloaded(name: str) -> Path:
    """Return the path of a Fashion-MNIST file. If it is missing, download and check it first."""
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
        sha256 = hashlib.sha256(part.read_bytes()).hexdigest()
        if sha256 != FASHION_MNIST_SHA256[name]:
            raise BadInput(f"{url}: SHA-256 is {sha256}, expected {FASHION_MNIST_SHA256[name]}; nothing was kept")
    return path


SOURCES = {"digits": _digits, "fashion-mnist": _fashion_mnist}
