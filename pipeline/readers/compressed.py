"""Raw files plain, as gzip or as a zip of one file, told apart by their first bytes, never by their names."""

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pipeline.storage.files import BadInput

_GZIP, _ZIP = b"\x1f\x8b", b"PK"


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Yield the bytes of a raw file, decompressed, as a binary stream.

    Raises:
        BadInput: the file is empty, or its compression is broken, also while the caller reads.
        OSError: the file is missing or not readable.
    """
    magic = _first_bytes(path)
    try:
        if magic.startswith(_GZIP):
            with gzip.open(path) as stream:
                yield stream
        elif magic.startswith(_ZIP):
            with zipfile.ZipFile(path) as archive, archive.open(_single_member(path, archive)) as stream:
                yield stream
        else:
            with path.open("rb") as stream:
                yield stream
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BadInput(f"{path}: truncated or corrupt ({error}), expected a whole file") from error
    except (NotImplementedError, RuntimeError) as error:  # an encrypted zip, or an exotic compression
        if not magic.startswith(_ZIP):
            raise
        raise BadInput(f"{path}: not readable as zip: {error}") from error


def is_npz(path: Path) -> bool:
    """Say whether a raw file is a zip of `.npy` members only."""
    if not _first_bytes(path).startswith(_ZIP):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise BadInput(f"{path}: truncated or corrupt ({error}), expected a whole zip or npz file") from error
    return bool(names) and all(name.endswith(".npy") for name in names)


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        magic = file.read(2)
    if not magic:
        raise BadInput(f"{path}: the file is empty")
    return magic


def _single_member(path: Path, archive: zipfile.ZipFile) -> str:
    names = [
        name
        for name in archive.namelist()
        if not name.endswith("/") and not name.startswith("__MACOSX") and not Path(name).name.startswith(".")
    ]
    if len(names) != 1:
        raise BadInput(f"{path}: the zip holds {len(names)} files, expected 1; unpack it into a folder")
    return names[0]
