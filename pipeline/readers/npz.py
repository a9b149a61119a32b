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
from pipeline.readers.compressed import check_ratio, decompression_of, is_plain, open_decompressed
from pipeline.readers.named_arrays import roles_of, shape_list
from pipeline.storage.files import BadInput, blame


def read_npy(path: Path) -> np.ndarray:
    """Return the array of a `.npy` file in its own shape and dtype. A plain file is memory-mapped, read-only.

    Raises:
        BadInput: the file is truncated, its header does not parse, or it contains Python objects.
    """
    with open_decompressed(path) as stream:
        _header(path, stream)
    with blame(path), open_decompressed(path) as stream:
        if is_plain(path):
            return np.lib.format.open_memmap(path, mode="r")
        return np.lib.format.read_array(stream, allow_pickle=False)


def read_npz(path: Path, split: Split, labelled: bool) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Return images (n, ...), labels (n,) or None, and ids (n,) or None of an `.npz` file.

    Raises:
        BadInput: the file is corrupt or contains Python objects, or a key is missing or ambiguous.
    """
    with blame(path), decompression_of(path), zipfile.ZipFile(path) as archive:
        roles = roles_of(_shapes(path, archive), split, labelled)
        labels, ids = (None if key is None else _member(archive, key) for key in (roles.labels, roles.ids))
        return _member(archive, roles.images), labels, ids


def read_npz_array(path: Path) -> np.ndarray:
    """Return the only array of an `.npz` file.

    Raises:
        BadInput: the file is corrupt, contains Python objects, or has several arrays.
    """
    with blame(path), decompression_of(path), zipfile.ZipFile(path) as archive:
        shapes = _shapes(path, archive)
        if len(shapes) != 1:
            raise ValueError(f"the file holds {len(shapes)} arrays ({shape_list(shapes)}), expected one")
        return _member(archive, next(iter(shapes)))


def _shapes(path: Path, archive: zipfile.ZipFile) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for member in archive.infolist():
        check_ratio(path, member.file_size, member.compress_size)
        with archive.open(member) as stream:
            shapes[member.filename.removesuffix(".npy")] = _header(path, stream)
    return shapes


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
    if not all(type(size) is int and 0 <= size <= sys.maxsize for size in shape):
        raise BadInput(f"{path}: an array of shape {quoted(shape)}, expected sizes that fit in memory")
    return shape
