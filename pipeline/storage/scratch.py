"""Data that a reader collects before it is complete: in a file, so that memory does not grow with the data."""

import tempfile
from collections.abc import Callable, Iterable, Iterator

import numpy as np

_PIECE_BYTES = 1 << 20


def on_disk(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Return consecutive parts (k, ...) of one dtype as one array, memory-mapped and read-only.

    Its file has no name, lies in the working directory, and ends with the array, also if the process is killed.

    Raises:
        ValueError: there are no rows.
        OSError: the disk is full.
    """
    rows = 0
    with tempfile.TemporaryFile(dir=".") as file:
        for part in parts:
            file.write(np.ascontiguousarray(part).data)
            rows += len(part)
        file.flush()
        if not rows:
            raise ValueError("no rows")
        return np.memmap(file, part.dtype, "r", shape=(rows, *part.shape[1:]))


def bytes_on_disk(read: Callable[[int], bytes], size_bytes: int) -> np.ndarray:
    """Return the next bytes of a stream, uint8 (size_bytes,), read-only; fewer if it ends before. Many are on disk.

    Args:
        read: returns the next bytes, at most as many as asked for, and none at the end.
        size_bytes: how many to read.
    """
    first = read(min(size_bytes, _PIECE_BYTES))
    if len(first) < _PIECE_BYTES:
        return np.frombuffer(first, np.uint8)

    def pieces() -> Iterator[np.ndarray]:
        piece, left = first, size_bytes
        while piece:
            left -= len(piece)
            yield np.frombuffer(piece, np.uint8)
            piece = read(min(left, _PIECE_BYTES))

    return on_disk(pieces())
