"""NumPy's files: `.npy` with one array and `.npz` with several."""

import lzma
import math
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from pipeline.config.errors import quote
from pipeline.config.schema import Split
from pipeline.readers.compressed import check_ratio, decompression_of, is_plain, open_decompressed
from pipeline.readers.named_arrays import NamedArrays, by_role, shape_list
from pipeline.storage.files import BadInput, blame
from pipeline.storage.scratch import bytes_on_disk


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype


def read_npy(path: Path) -> np.ndarray:
    """Return the array of a `.npy` file in its own shape and dtype, memory-mapped if it is large, and read-only.

    Raises:
        BadInput: the file is truncated, its header does not parse, or it contains Python objects.
    """
    with blame(path), open_decompressed(path) as stream:
        if not is_plain(path):
            return _array(path, stream)
        _header(path, stream)
        return np.lib.format.open_memmap(path, mode="r")


def read_npz(path: Path, split: Split, labelled: bool) -> NamedArrays:
    """Return the arrays of an `.npz` file by their roles. Large ones are on disk.

    Raises:
        BadInput: the file is corrupt or contains Python objects, or a key is missing or ambiguous.
    """
    with blame(path), decompression_of(path), zipfile.ZipFile(path) as archive:
        return by_role(_shapes(path, archive), lambda key: _member(path, archive, key), split, labelled)


def read_npz_array(path: Path) -> np.ndarray:
    """Return the only array of an `.npz` file.

    Raises:
        BadInput: the file is corrupt, contains Python objects, or has several arrays.
    """
    with blame(path), decompression_of(path), zipfile.ZipFile(path) as archive:
        shapes = _shapes(path, archive)
        if len(shapes) != 1:
            raise ValueError(f"the file holds {len(shapes)} arrays ({shape_list(shapes)}), expected one")
        return _member(path, archive, next(iter(shapes)))


def _shapes(path: Path, archive: zipfile.ZipFile) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for member in archive.infolist():
        check_ratio(path, member.file_size, member.compress_size)
        with archive.open(member) as stream:
            shapes[member.filename.removesuffix(".npy")] = _header(path, stream).shape
    return shapes


def _member(path: Path, archive: zipfile.ZipFile, key: str) -> np.ndarray:
    with archive.open(f"{key}.npy") as stream:
        return _array(path, stream)


def _array(path: Path, stream: IO[bytes]) -> np.ndarray:
    header = _header(path, stream)
    size_bytes = math.prod(header.shape) * header.dtype.itemsize
    data = bytes_on_disk(stream.read, size_bytes)
    if len(data) != size_bytes:
        raise EOFError(f"{len(data)} bytes of an array of {size_bytes}")
    return data.view(header.dtype).reshape(header.shape, order="F" if header.is_fortran else "C")


def _header(path: Path, stream: IO[bytes]) -> _Header:
    """Return the shape, order and dtype of an array without reading its rows.

    Raises:
        BadInput: the header does not parse, or does not describe an array of numbers or texts.
    """
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0}.get(version, np.lib.format.read_array_header_2_0)
        header = _Header(*read(stream))
    except (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile):
        raise  # an error of the compression
    except Exception as error:  # a header is a Python literal, whose evaluation can raise many types of errors
        raise BadInput(f"{path}: no header of a numpy array ({type(error).__name__}: {error})") from error
    if header.dtype.kind not in "biufSU":
        raise BadInput(
            f"{path}: an array of dtype {header.dtype} (Python objects, or no numbers), expected numbers or texts"
        )
    if not all(type(size) is int and 0 <= size <= sys.maxsize for size in header.shape):
        raise BadInput(f"{path}: an array of shape {quote(header.shape)}, expected sizes that fit in memory")
    return header
