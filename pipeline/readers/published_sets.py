"""MNIST, Fashion-MNIST and CIFAR-10: from the folder that a variable names, or from a download with checksums.

The files in such a folder may differ from the published ones, for example a part of MNIST or JPEG copies of CIFAR-10.
`releases` tell them apart.
"""

import hashlib
import os
import shutil
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.readers.folders import read_folder
from pipeline.readers.idx import UNSIGNED_BYTES, read_idx
from pipeline.readers.pickles import read_pickled_arrays
from pipeline.readers.raw import Form
from pipeline.storage.files import BadInput, blame, writing

TIMEOUT_SECONDS = 30
IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


@dataclass(frozen=True)
class Images:
    """Labelled images."""

    pixels: np.ndarray  # uint8 (n, height, width), or (n, height, width, 3) in colour
    labels: np.ndarray  # int64 (n,)


@dataclass(frozen=True)
class PublishedSet:
    """Where a published image set comes from, and how its files are recognised."""

    variable: str  # of the environment: a folder that holds the files
    folder: Path  # of the download
    url: str  # of the download, without the file's name
    sha256: dict[str, str]  # of each file to download
    releases: tuple[tuple[str, ...], ...]  # MD5 of the content of each part, for each release


FASHION_MNIST = PublishedSet(
    variable="FASHION_MNIST_DIR",
    folder=Path("data/fashion-mnist"),
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    sha256={
        IDX_FILES[0]: "11790711787bbf1e510c120ab3c111473621c3ffc6c8f712c81eb8a862109c16",
        IDX_FILES[1]: "63e1d99bbb6136d69cf884b054751cde5ac122db776de4ffd08a2d938c9738d8",
        IDX_FILES[2]: "f2c28c03f07ada41c65308a91e7e591a3fce072aacaa91c787264c9fa758dd56",
        IDX_FILES[3]: "a4e30b0f7dbcd9573c86b027d506e72c7aed23791636b39dd0107165441ca65a",
    },
    releases=(
        (
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",  # as on Zalando's page
            "9018921c3c673c538a1fc5bad174d6f9",
            "8181f5470baa50b63fa0f6fddb340f0a",
            "15d484375f8d13e6eb1aabb0c3f46965",
        ),
        (
            "b2be5f69ef2f686f3e180c02078c3f6b",  # in the files with these SHA-256
            "e90d7cb27e9d7835cbe0f50d602d9846",
            "949be36899d105f6bd0b02f1204bd299",
            "6f819a0b4e91f54baf8d48761a4ac66f",
        ),
    ),
)
MNIST = PublishedSet(
    variable="MNIST_DIR",
    folder=Path("data/mnist"),
    url="https://storage.googleapis.com/cvdf-datasets/mnist",  # TensorFlow's mirror; yann.lecun.com serves no files
    sha256={
        IDX_FILES[0]: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        IDX_FILES[1]: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        IDX_FILES[2]: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        IDX_FILES[3]: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    releases=(
        (
            "6bbc9ace898e44ae57da46a324031adb",
            "a25bea736e30d166cdddb491f175f624",
            "2646ac647ad5339dbf082846283269ea",
            "27ae3e4e09519cfbb04c329615203637",
        ),
    ),
)
CIFAR_10 = PublishedSet(
    variable="CIFAR10_DIR",
    folder=Path("data/cifar-10"),
    url="https://www.cs.toronto.edu/~kriz",
    sha256={"cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"},
    releases=(
        (
            "c99cafc152244af753f735de768cd75f",
            "d4bba439e000b95fd0a9bffe97cbabec",
            "54ebc095f3ab1f0389bbae665268c751",
            "634d18415352ddfa80567beed471001a",
            "482c414d41f54cd18b22e5b47cb7c3cb",
            "40351d587109b95175f43aff81a1287e",
        ),
    ),
)
CIFAR_10_BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
CIFAR_10_PLANES = (3, 32, 32)  # channels, height, width
CIFAR_10_FOLDER = "cifar-10-batches-py"  # inside the archive


def read_idx_set(published: PublishedSet) -> tuple[Images, Images, bool]:
    """Return the training and the test images of four idx files, and whether they are the published ones.

    Raises:
        BadInput: the download failed, or a file is damaged or has other bytes than expected.
    """
    folder = os.environ.get(published.variable)
    paths = [_in_folder(Path(folder, name)) if folder else _downloaded(published, name) for name in IDX_FILES]
    train, test = _idx_images(paths[0], paths[1]), _idx_images(paths[2], paths[3])
    return train, test, _idx_md5s(train, test) in published.releases


def read_cifar_10() -> tuple[Images, Images, bool]:
    """Return CIFAR-10's training and test images, and whether they are the published ones.

    The folder holds the pickled batches, or images as train/CLASS/NAME and test/CLASS/NAME.

    Raises:
        BadInput: the download failed, or a file is damaged or has other bytes than expected.
    """
    variable = os.environ.get(CIFAR_10.variable)
    folder = Path(variable) if variable else _unpacked(_downloaded(CIFAR_10, *CIFAR_10.sha256))
    if (folder / "train").is_dir():
        return _image_folder(folder / "train"), _image_folder(folder / "test"), False
    folder = folder / CIFAR_10_FOLDER if (folder / CIFAR_10_FOLDER).is_dir() else folder
    paths = [folder / name for name in CIFAR_10_BATCHES]
    *train, test = map(_batch, paths)
    pixels, labels = (np.concatenate([getattr(part, name) for part in train]) for name in ("pixels", "labels"))
    md5s = tuple(hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() for path in paths)
    return Images(pixels, labels), test, md5s in CIFAR_10.releases


def _in_folder(path: Path) -> Path:
    """Return the path of a gzipped idx file, or of the plain one if only that exists."""
    plain = path.with_suffix("")
    return plain if plain.exists() and not path.exists() else path


def _idx_images(pixels_path: Path, labels_path: Path) -> Images:
    pixels, labels = read_idx(pixels_path, rank=3), read_idx(labels_path, rank=1)
    if len(pixels) != len(labels):
        raise BadInput(f"{labels_path}: {len(labels)} labels, expected one for each of {len(pixels)} images")
    return Images(pixels, labels.astype(np.int64))


def _idx_md5s(*parts: Images) -> tuple[str, ...]:
    """Return the MD5 of each part's images and labels as idx files."""
    arrays = [array for part in parts for array in (part.pixels, part.labels.astype(np.uint8))]
    headers = [bytes([0, 0, UNSIGNED_BYTES, array.ndim]) + np.array(array.shape, ">u4").tobytes() for array in arrays]
    return tuple(
        hashlib.md5(header + array.tobytes(), usedforsecurity=False).hexdigest()
        for header, array in zip(headers, arrays, strict=True)
    )


def _batch(path: Path) -> Images:
    """Return the images of one pickled batch, whose rows are a red, a green and a blue plane."""
    arrays = read_pickled_arrays(path)
    if not {"data", "labels"} <= arrays.keys():
        raise BadInput(f"{path}: holds {', '.join(arrays)}, expected data and labels, as a batch of CIFAR-10")
    with blame(path):
        planes, labels = arrays["data"].reshape(-1, *CIFAR_10_PLANES), arrays["labels"].astype(np.int64)
        if len(planes) != len(labels):
            raise ValueError(f"{len(labels)} labels, expected one for each of {len(planes)} images")
    return Images(np.ascontiguousarray(np.moveaxis(planes, 1, -1)), labels)


def _image_folder(folder: Path) -> Images:
    """Return the images of a folder with one subfolder for each class. The classes are numbered by name."""
    raw = read_folder(folder, Form())
    if raw.labels is None:
        raise BadInput(f"{folder}: images without subfolders, expected one subfolder for each class")
    pixels = np.concatenate([part.pixels.copy() for part in raw.images.parts()])
    return Images(pixels, np.unique(raw.labels, return_inverse=True)[1].astype(np.int64))


def _unpacked(archive: Path) -> Path:
    """Return the folder with the files of a checked archive. Unpack it first if it is missing."""
    folder = archive.with_name(CIFAR_10_FOLDER)
    if not folder.exists():
        with writing(folder) as part, tarfile.open(archive) as archive_file:
            archive_file.extraction_filter = getattr(tarfile, "data_filter", None)  # Python before 3.11.4 has none
            archive_file.extractall(part)
    return folder


def _downloaded(published: PublishedSet, name: str) -> Path:
    """Return the path of a downloaded file. If it is missing, download and check it first."""
    path = published.folder / name
    if path.exists():
        return path
    url = f"{published.url}/{name}"
    with writing(path) as part:
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response, part.open("wb") as file:
                shutil.copyfileobj(response, file)
        except OSError as error:
            raise BadInput(
                f"{url}: no download ({error}); set {published.variable} to a folder that holds {name}"
            ) from error
        sha256 = hashlib.sha256(part.read_bytes()).hexdigest()
        if sha256 != published.sha256[name]:
            raise BadInput(f"{url}: SHA-256 is {sha256}, expected {published.sha256[name]}; nothing was kept")
    return path
