"""Rows that a reader collects before it knows all of them: in a file, so that memory does not grow with the data."""

import tempfile
from collections.abc import Iterable

import numpy as np


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
