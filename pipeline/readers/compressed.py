"""Raw files: plain, gzip, or a zip of one file. The first bytes decide which, never the name.

Only regular files are opened. Decompression stops at a size that image data cannot reach.
"""

import gzip
import io
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pipeline.readers.foreign import archive_advice
from pipeline.storage.files import BadInput

if TYPE_CHECKING:
    from typing_extensions import Buffer  # from Python 3.12 on, collections.abc has it too

_GZIP, _ZIP = b"\x1f\x8b", b"PK"
MOST_TIMES = 200  # largest ratio of decompressed to compressed size: images have about 10, a gzip bomb has 1,000
ALLOWED_BYTES = 1 << 28  # decompressed size that is allowed at any ratio
_PIECE_BYTES = 1 << 20


@contextmanager
def open_decompressed(path: Path) -> Iterator[IO[bytes]]:
    """Yield the bytes of a raw file, decompressed, as a binary stream.

    Raises:
        BadInput: the file is empty or not a regular file, its compression is broken, or it decompresses to far more
            than its size. The last two can be raised while the caller reads.
        OSError: the file is missing or not readable.
    """
    magic = _first_bytes(path)
    with decompression_of(path):
        if magic.startswith(_GZIP):
            with gzip.open(path) as stream:
                yield io.BufferedReader(_Bounded(stream, path, path.stat().st_size))
        elif magic.startswith(_ZIP):
            with zipfile.ZipFile(path) as archive, _member_stream(path, archive) as stream:
                yield stream
        else:
            with path.open("rb") as stream:
                yield stream


@contextmanager
def decompression_of(path: Path) -> Iterator[None]:
    """Turn an error during the decompression of a raw file into a BadInput that names the file."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise _corrupt(path, error) from error
    except OSError as error:
        if error.errno is None:  # gzip and bz2 raise it for broken data
            raise _corrupt(path, error) from error
        raise OSError(error.errno, error.strerror, error.filename or str(path)) from error


def _corrupt(path: Path, error: Exception) -> BadInput:
    return BadInput(f"{path}: truncated or corrupt ({error}), expected a whole file")


def is_npz(path: Path) -> bool:
    """Return whether a raw file is a zip of only `.npy` members."""
    if not _first_bytes(path).startswith(_ZIP):
        return False
    with decompression_of(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return bool(names) and all(name.endswith(".npy") for name in names)


def is_plain(path: Path) -> bool:
    """Return whether a raw file is not compressed."""
    return not _first_bytes(path).startswith((_GZIP, _ZIP))


def check_regular(path: Path) -> None:
    """Refuse a path that is not a regular file: reading a pipe may wait for ever, and a device never ends.

    Raises:
        BadInput: the path is a folder, a pipe, a socket or a device.
        OSError: the path is missing.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
        raise BadInput(f"{path}: {kinds.get(stat.S_IFMT(mode), 'a device')}, expected a regular file")


def check_ratio(path: Path, size_bytes: int, compressed_bytes: int) -> None:
    """Refuse data whose decompressed size, read or declared, is too large for images.

    Raises:
        BadInput: the size is more than MOST_TIMES the compressed size, and more than ALLOWED_BYTES.
    """
    if size_bytes > max(ALLOWED_BYTES, MOST_TIMES * compressed_bytes):
        raise BadInput(f"{path}: decompresses to more than {MOST_TIMES} times its size, expected data of images")


class _Bounded(io.RawIOBase):
    """A decompressed stream that raises BadInput when it grows beyond the limit of `check_ratio`."""

    def __init__(self, stream: gzip.GzipFile, path: Path, compressed_bytes: int) -> None:
        self.stream, self.path, self.compressed_bytes, self.read_bytes = stream, path, compressed_bytes, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer") -> int:
        count = self.stream.readinto(memoryview(buffer)[:_PIECE_BYTES])
        self.read_bytes += count
        check_ratio(self.path, self.read_bytes, self.compressed_bytes)
        return count


def _first_bytes(path: Path) -> bytes:
    check_regular(path)
    with path.open("rb") as file:
        magic = file.read(2)
    if not magic:
        raise BadInput(f"{path}: the file is empty")
    return magic


def _member_stream(path: Path, archive: zipfile.ZipFile) -> IO[bytes]:
    member = _single_member(path, archive)
    check_ratio(path, member.file_size, member.compress_size)  # no more than file_size is ever read
    try:
        return archive.open(member)
    except (NotImplementedError, RuntimeError) as error:  # an exotic compression, or a password
        raise BadInput(f"{path}: not readable as zip: {error}") from error


def _single_member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir()
        and not member.filename.startswith("__MACOSX")
        and not Path(member.filename).name.startswith(".")
    ]
    if len(members) != 1:
        names = [member.filename for member in members]
        advice = archive_advice(names) or f"the zip holds {len(members)} files, expected 1; unpack it into a folder"
        raise BadInput(f"{path}: {advice}")
    return members[0]
