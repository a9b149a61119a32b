"""The idx files of MNIST: an array with its element type and shape in front."""

import math
from pathlib import Path

import numpy as np

from pipeline.readers.compressed import check_ratio, is_plain, open_decompressed
from pipeline.storage.files import BadInput
from pipeline.storage.scratch import bytes_on_disk

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES = 4
UNSIGNED_BYTES = 0x08


def is_idx(head: bytes) -> bool:
    """Return whether the first bytes of a file are those of an idx file."""
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in _DTYPES and 1 <= head[3] <= _MOST_AXES


def read_idx(path: Path, rank: int | None = None) -> np.ndarray:
    """Return the array of an idx file, plain, gzip or zip, memory-mapped if it is large, and read-only.

    With a `rank` it must be uint8 and have so many axes.

    Raises:
        BadInput: the file has another element type or rank, or a size that differs from its header.
        FileNotFoundError: the file is missing.
    """
    with open_decompressed(path) as stream:
        magic = stream.read(4)
        if not is_idx(magic) or (rank is not None and magic[2:] != bytes([UNSIGNED_BYTES, rank])):
            expected = f"{UNSIGNED_BYTES:06x}{rank:02x}, an idx file of rank {rank}" if rank else "an idx file"
            raise BadInput(f"{path}: starts with {magic.hex()}, expected {expected}")
        shape = np.frombuffer(stream.read(4 * magic[3]).ljust(4 * magic[3], b"\0"), ">u4").astype(int).tolist()
        dtype, count = np.dtype(_DTYPES[magic[2]]), math.prod(shape)
        check_ratio(path, count * dtype.itemsize, path.stat().st_size)
        if is_plain(path):
            data: np.ndarray = np.memmap(path, np.uint8, "r")[stream.tell() :]
        else:  # one byte more, to notice a longer file
            data = bytes_on_disk(stream.read, count * dtype.itemsize + 1)
    if len(data) != count * dtype.itemsize:
        more = "or more " if len(data) > count * dtype.itemsize else ""
        sizes = "x".join(map(str, shape))
        raise BadInput(f"{path}: holds {len(data) // dtype.itemsize} {more}values, expected {count} ({sizes})")
    return data.view(dtype).reshape(shape)
