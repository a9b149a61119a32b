"""Reading and writing files: errors name the file, writes are atomic, and rows are joined by their ids."""

import json
import lzma
import math
import os
import pickle
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pipeline.config.errors import BadInput, one_line

CHUNK_BYTES = 1 << 24
DAMAGE = (ValueError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, pickle.UnpicklingError)
REMEDY = "run `dvc repro` to make it again"


@contextmanager
def blame(path: Path | str) -> Iterator[None]:
    """Turn an error about values or damaged data into a BadInput that names `path`.

    It is for code that works on arrays or texts and does not know their file.
    """
    try:
        yield
    except DAMAGE as error:
        raise BadInput(f"{path}: {_reason(error)}") from error


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn any error that a library raises about the content of `path` into a BadInput that names the file and kind.

    It is for a single call that reads a file that Podium wrote: for damaged files, libraries raise errors of any type.
    """
    try:
        yield
    except (BadInput, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise BadInput(f"{path}: not {kind} ({_reason(error)}); {REMEDY}") from error


def _reason(error: Exception) -> str:
    return one_line(" ".join(str(error).split())) or type(error).__name__


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` for a file or a folder, and rename it to `path` on success.

    In every case `path` is absent, unchanged or complete afterwards. The caller creates the folder. A file is complete
    after a power cut, too. A folder may have empty files then: DVC and the readers of its files notice that.

    Raises:
        BadInput: `path` is a link to a folder, or a file where a folder is expected, or a folder instead of a file.
        OSError: from the file system. It always names a file, and `path` instead of the temporary name.
    """
    part = path.with_name(path.name + ".part")
    if path.is_symlink() and path.is_dir():
        raise BadInput(f"{path}: a link to a folder, expected a folder of its own; remove the link")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(part)
        yield part
        if path.exists() and path.is_dir() != part.is_dir():
            kind, expected_kind = ("folder", "file") if path.is_dir() else ("file", "folder")
            raise BadInput(f"{path}: a {kind}, expected a {expected_kind}; move it away")
        if path.is_dir():
            shutil.rmtree(path)
        if part.is_dir():  # not synchronised, as that takes about 5 ms for each file
            part.replace(path)
        else:
            synchronise(part)
            part.replace(path)
            synchronise(path.parent)
    except OSError as error:
        _remove(part)
        name = str(error.filename or path)
        if name.startswith(str(part)):
            name = f"{path}{name.removeprefix(str(part))}"
        raise OSError(error.errno, error.strerror or str(error), name) from error
    except BaseException:
        _remove(part)
        raise


def synchronise(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def chunks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield views of the rows of `array` in order, each of about CHUNK_BYTES."""
    rows = chunk_rows(array[:1].nbytes)
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def chunk_rows(row_bytes: int) -> int:
    """Return how many rows of this size make a chunk."""
    return max(1, CHUNK_BYTES // max(1, row_bytes))


def save_chunks(path: Path, shape: tuple[int, ...], dtype: np.dtype, parts: Iterable[np.ndarray]) -> None:
    """Write a `.npy` file from its rows in order.

    If the parts have fewer rows than `shape`, so has the file.

    It does not use a memory map: there a full disk would end the process with SIGBUS instead of raising an error.
    """
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        start, rows = file.tell(), 0
        _reserve(file, start + math.prod(shape) * dtype.itemsize)
        for part in parts:
            file.write(np.ascontiguousarray(part, dtype).data)
            rows += len(part)
        if rows != shape[0]:  # NumPy's headers leave room for the first axis to change
            file.seek(0)
            np.lib.format.write_array_header_1_0(file, header | {"shape": (rows, *shape[1:])})
            assert file.tell() == start
            file.truncate(start + math.prod((rows, *shape[1:])) * dtype.itemsize)


def _reserve(file: BinaryIO, size_bytes: int) -> None:
    """Let the file system set blocks aside: writing takes a third of the time, and a full disk is noticed at once."""
    if hasattr(os, "posix_fallocate"):  # not on macOS
        file.flush()
        os.posix_fallocate(file.fileno(), 0, size_bytes)


def link(source: Path, path: Path) -> None:
    """Let `path` be the file `source` too, or a copy where the file system has no hard links.

    Podium and DVC replace files and never change them, so that neither name can damage the other.
    """
    try:
        os.link(source.resolve(), path)
    except OSError:
        shutil.copyfile(source, path)


def save_array(path: Path, array: np.ndarray) -> None:
    """Write a `.npy` file chunk by chunk."""
    save_chunks(path, array.shape, array.dtype, chunks(array))


def load_array(path: Path) -> np.ndarray:
    """Return the array of a `.npy` file, memory-mapped and read-only.

    Raises:
        BadInput: the file is not such an array.
    """
    with reading(path, "a NumPy array"):
        return np.lib.format.open_memmap(path, mode="r")


def save_json(path: Path, value: Any) -> None:
    """Write JSON for people and programs: indented, with a last newline."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def load_json(path: Path, shape: Any = object) -> Any:
    """Return the value of a JSON file.

    Args:
        path: the file.
        shape: the type of the value, or a union of types. For an object, a dict with the shape of each required key.

    Raises:
        BadInput: the file is not JSON, or has another shape.
    """
    with reading(path, "JSON as expected"):
        value = json.loads(path.read_text(encoding="utf-8"))
        _check_shape(value, shape, "its value")
    return value


def _check_shape(value: Any, shape: Any, place: str) -> None:
    kind = dict if isinstance(shape, dict) else shape
    if not isinstance(value, kind):
        raise ValueError(f"{place} is {type(value).__name__}, expected {getattr(kind, '__name__', kind)}")
    for key, part in shape.items() if isinstance(shape, dict) else ():
        if key not in value:
            raise ValueError(f"key {key!r} is missing")
        _check_shape(value[key], part, f"key {key!r}")


def align(expected_ids: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return the position (len(expected_ids),) in `ids` of each wanted id. Every join in Podium uses it.

    Raises:
        ValueError: an id is missing, duplicate or unexpected.
    """
    ids, expected_ids = np.asarray(ids), np.asarray(expected_ids)
    if ids.dtype.kind != expected_ids.dtype.kind:
        ids, expected_ids = ids.astype(str), expected_ids.astype(str)
    for name, values in (("ids", ids), ("expected ids", expected_ids)):
        unique, counts = np.unique(values, return_counts=True)
        if len(unique) != len(values):
            raise ValueError(f"id {unique[counts > 1][0]} occurs twice among the {name}, expected once")
    missing = np.setdiff1d(expected_ids, ids)
    if len(missing):
        raise ValueError(f"id {missing[0]} is missing ({len(missing)} such ids)")
    extra = np.setdiff1d(ids, expected_ids)
    if len(extra):
        raise ValueError(f"id {extra[0]} is not expected ({len(extra)} such ids)")
    order = np.argsort(ids, kind="stable")
    return order[np.searchsorted(ids, expected_ids, sorter=order)]
