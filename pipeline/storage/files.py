"""What every stage promises its files: errors that name them, nothing half-written, rows that carry their ids."""

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.errors import BadInput

CHUNK_BYTES = 1 << 24


@contextmanager
def blame(path: Path | str) -> Iterator[None]:
    """Turn a ValueError of a pure function, which knows no files, into a BadInput that names `path`."""
    try:
        yield
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from error


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`, a file's or a folder's, and rename it to `path` on success.

    Whatever happens, `path` is either absent, as it was, or whole. A folder is made by the caller.

    Raises:
        OSError: as the file system does, always naming a file.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(part)
        yield part
        if path.is_dir():
            shutil.rmtree(path)
        part.replace(path)
    except OSError as error:
        _remove(part)
        raise OSError(error.errno, error.strerror or str(error), str(error.filename or path)) from error
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
    """Return the array of a `.npy` file, memory-mapped and read-only."""
    with blame(path):
        return np.load(path, mmap_mode="r", allow_pickle=False)


def save_json(path: Path, value: Any) -> None:
    """Write JSON for people and programs: indented, with a last newline."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def load_json(path: Path) -> Any:
    """Return what a JSON file holds."""
    with blame(path):
        return json.loads(path.read_text(encoding="utf-8"))


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
