"""NumPy's files: `.npy` with one array and `.npz` with several."""

import lzma
import sys
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from pipeline.config.errors import quoted
from pipeline.config.schema import Split
from pipeline.readers.compressed import check_ratio, open_decompressed, whole
from pipeline.storage.files import BadInput, blame

LABEL_KEYS = ("y", "label", "labels", "class", "classes", "target", "targets")
ID_KEYS = ("id", "ids")


def read_npy(path: Path) -> np.ndarray:
    """Return the array of a `.npy` file in its own shape and dtype.

    Raises:
        BadInput: the file is truncated, its header does not parse, or it contains Python objects.
    """
    with open_decompressed(path) as stream:
        _header(path, stream)
    with blame(path), open_decompressed(path) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def read_npz(path: Path, split: Split) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Return images (n, ...), labels (n,) or None, and ids (n,) or None of an `.npz` file.

    Raises:
        BadInput: the file is corrupt or contains Python objects, or a key is missing or ambiguous.
    """
    with blame(path), whole(path), zipfile.ZipFile(path) as archive:
        shapes = {}
        for member in archive.infolist():
            check_ratio(path, member.file_size, member.compress_size)
            with archive.open(member) as stream:
                shapes[member.filename.removesuffix(".npy")] = _header(path, stream)
        images = _images_key(shapes, split.images_key)
        rest = {key: shape for key, shape in shapes.items() if key != images}
        ids = next((key for key in rest if key.lower() in ID_KEYS), None)
        labels = _labels_key({key: shape for key, shape in rest.items() if key != ids}, split.labels_key)
        label_array, id_array = (None if key is None else _member(archive, key) for key in (labels, ids))
        return _member(archive, images), label_array, id_array


def _member(archive: zipfile.ZipFile, key: str) -> np.ndarray:
    with archive.open(f"{key}.npy") as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _header(path: Path, stream: IO[bytes]) -> tuple[int, ...]:
    """Return the shape of an array without reading its rows.

    Raises:
        BadInput: the header does not parse, or does not describe an array of numbers or texts.
    """
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0}.get(version, np.lib.format.read_array_header_2_0)
        shape, _, dtype = read(stream)
    except (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile):
        raise  # an error of the compression
    except Exception as error:  # a header is a Python literal, whose evaluation can raise many types of errors
        raise BadInput(f"{path}: no header of a numpy array ({type(error).__name__}: {error})") from error
    if dtype.kind not in "biufSU":
        raise BadInput(f"{path}: an array of dtype {dtype} (Python objects, or no numbers), expected numbers or texts")
    if not all(0 <= size <= sys.maxsize for size in shape):
        raise BadInput(f"{path}: an array of shape {quoted(shape)}, expected sizes that fit in memory")
    return shape


def _images_key(shapes: dict[str, tuple[int, ...]], declared: str | None) -> str:
    if declared is not None:
        return _known(shapes, declared, "images_key")
    candidates = [key for key, shape in shapes.items() if len(shape) >= 2]
    if len(candidates) != 1:
        raise ValueError(f"{len(candidates)} arrays may be the images ({_names(shapes)}); declare images_key")
    return candidates[0]


def _labels_key(shapes: dict[str, tuple[int, ...]], declared: str | None) -> str | None:
    if declared is not None:
        return _known(shapes, declared, "labels_key")
    candidates = [key for key in shapes if key.lower() in LABEL_KEYS]
    candidates = candidates or [key for key, shape in shapes.items() if len(shape) == 1]
    if len(candidates) > 1:
        raise ValueError(f"{', '.join(candidates)} may each be the labels; declare labels_key")
    return candidates[0] if candidates else None


def _known(shapes: dict[str, tuple[int, ...]], key: str, setting: str) -> str:
    if key not in shapes:
        raise ValueError(f"{setting} {quoted(key)} is not in the file, which holds {_names(shapes)}")
    return key


def _names(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{key} {shape}" for key, shape in shapes.items()) or "nothing"
