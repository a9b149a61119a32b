"""What every stage promises its files: errors that name them, nothing half-written, rows that carry their ids."""

import json
import lzma
import pickle
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.errors import BadInput, one_line

CHUNK_BYTES = 1 << 24
DAMAGE = (ValueError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, pickle.UnpicklingError)
AGAIN = "run `dvc repro` to make it again"


@contextmanager
def blame(path: Path | str) -> Iterator[None]:
    """Turn an error over values or damaged data, raised by what knows no files, into a BadInput that names `path`."""
    try:
        yield
    except DAMAGE as error:
        raise BadInput(f"{path}: {_reason(error)}") from error


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a library raises over the content of `path` into a BadInput that names the file and its kind.

    For a single call that reads a file of our own: libraries raise anything over damaged ones.
    """
    try:
        yield
    except (BadInput, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise BadInput(f"{path}: not {kind} ({_reason(error)}); {AGAIN}") from error


def _reason(error: Exception) -> str:
    return one_line(" ".join(str(error).split())) or type(error).__name__


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`, a file's or a folder's, and rename it to `path` on success.

    Whatever happens, `path` is either absent, as it was, or whole. A folder is made by the caller.

    Raises:
        BadInput: `path` is a link to a folder, or a file in place of a folder or the other way round.
        OSError: as the file system does, always naming a file, and `path` in place of the temporary name.
    """
    part = path.with_name(path.name + ".part")
    if path.is_symlink() and path.is_dir():
        raise BadInput(f"{path}: a link to a folder, expected a folder of its own; remove the link")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(part)
        yield part
        if path.exists() and path.is_dir() != part.is_dir():
            found, expected = ("folder", "file") if path.is_dir() else ("file", "folder")
            raise BadInput(f"{path}: a {found}, expected a {expected}; move it away")
        if path.is_dir():
            shutil.rmtree(path)
        part.replace(path)
    except OSError as error:
        _remove(part)
        named = str(error.filename or path)
        if named.startswith(str(part)):
            named = f"{path}{named.removeprefix(str(part))}"
        raise OSError(error.errno, error.strerror or str(error), named) from error
    except BaseException:
        _remove(part)
        raise


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def chunks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield views of the rows of `array` in order, each of about CHUNK_BYTES."""
    rows = max(1, CHUNK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def save_chunks(path: Path, shape: tuple[int, ...], dtype: np.dtype, parts: Iterable[np.ndarray]) -> None:
    """Write a `.npy` file from its rows in order, never through a memory map: a full disk is an error, not a SIGBUS."""
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part, dtype).data)


def save_array(path: Path, array: np.ndarray) -> None:
    """Write a `.npy` file chunk by chunk."""
    save_chunks(path, array.shape, array.dtype, chunks(array))


def load_array(path: Path) -> np.ndarray:
    """Return the array of a `.npy` file, memory-mapped and read-only.

    Raises:
        BadInput: the file is no such array.
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
        shape: the type of the value, or a union of types, or for an object the shapes of the keys that it needs.

    Raises:
        BadInput: the file is no JSON, or has another shape.
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


def align(wanted_ids: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return the positions (len(wanted_ids),) in `ids` of each wanted id: the only join that Podium knows.

    Raises:
        ValueError: an id is missing, duplicate or one too many.
    """
    ids, wanted_ids = np.asarray(ids), np.asarray(wanted_ids)
    if ids.dtype.kind != wanted_ids.dtype.kind:
        ids, wanted_ids = ids.astype(str), wanted_ids.astype(str)
    for name, values in (("ids", ids), ("wanted ids", wanted_ids)):
        unique, counts = np.unique(values, return_counts=True)
        if len(unique) != len(values):
            raise ValueError(f"id {unique[counts > 1][0]} stands twice among the {name}, expected once")
    missing = np.setdiff1d(wanted_ids, ids)
    if len(missing):
        raise ValueError(f"id {missing[0]} is missing ({len(missing)} such ids)")
    extra = np.setdiff1d(ids, wanted_ids)
    if len(extra):
        raise ValueError(f"id {extra[0]} is not expected ({len(extra)} such ids)")
    order = np.argsort(ids, kind="stable")
    return order[np.searchsorted(ids, wanted_ids, sorter=order)]
