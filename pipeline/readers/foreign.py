"""Formats that Podium does not read: how to recognise them by their first bytes, and how to convert them."""

import re
from pathlib import Path

from pipeline.storage.files import BadInput

HEAD_BYTES = 512
_AS_CSV = "save it as CSV with pandas"
_AS_NPY = "save its arrays with numpy.save or numpy.savez"
_UNPACKED = "unpack it"
_JOBLIB = "save the array that joblib.load returns with numpy.save"

_FORMATS = (  # the first bytes, the format, the advice
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file", _AS_NPY),
    (rb"PAR1", "a Parquet file", _AS_CSV),
    (rb"ARROW1|\xff\xff\xff\xff.\x00", "an Arrow or Feather file", _AS_CSV),
    (rb".{5}\x00{3}.{4}\x0a", "a TFRecord file", _AS_NPY),  # the length of the first record, its checksum, its field
    (rb"x[\x01\x5e\x9c\xda]", "compressed by zlib, as joblib does", _JOBLIB),
    (rb"BZh[1-9]", "compressed by bzip2", f"{_UNPACKED}, or if joblib wrote it, {_JOBLIB}"),
    (rb"\xfd7zXZ\x00|\x5d\x00\x00", "compressed by xz", f"{_UNPACKED}, or if joblib wrote it, {_JOBLIB}"),
    (rb"\x04\x22\x4d\x18", "compressed by LZ4", f"{_UNPACKED}, or if joblib wrote it, {_JOBLIB}"),
    (rb"\x28\xb5\x2f\xfd", "compressed by Zstandard", _UNPACKED),
    (rb"7z\xbc\xaf\x27\x1c|Rar!|.{257}ustar", "an archive", f"{_UNPACKED} into a folder"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8", "one image", "name a folder of images instead"),
    (rb"MATLAB 5\.0", "a MATLAB file", _AS_NPY),
    (rb"SQLite format 3\x00", "an SQLite database", _AS_CSV),
    (rb"\xff\xfe|\xfe\xff", "UTF-16 text", "save it as UTF-8"),
    (rb"(\xef\xbb\xbf)?\s*(?i:<!doctype html|<html)", "a web page", "download the file itself"),
    (rb"version https://git-lfs", "a pointer of Git LFS", "run git lfs pull"),
    (rb"(\xef\xbb\xbf)?\s*[\[{]", "a JSON file", _AS_CSV),
)
_ARCHIVES = (  # a name in the zip, the format, the advice
    ("xl/workbook.xml", "an Excel workbook", "save it as CSV"),
    ("data.pkl", "a PyTorch file", _AS_NPY),
    (".zgroup", "a Zarr archive", _AS_NPY),
)


def refuse_foreign(path: Path, head: bytes) -> None:
    """Refuse a file whose first HEAD_BYTES, decompressed, are those of a format that Podium does not read.

    Raises:
        BadInput: the message names the format and how to convert the file.
    """
    for magic, name, advice in _FORMATS:
        if re.match(magic, head, re.DOTALL):
            raise BadInput(f"{path}: {name}, which is not read here; {advice}")


def archive_advice(names: list[str]) -> str | None:
    """Return the format of a zip with these member names and how to convert it, or None for an ordinary zip."""
    for ending, name, advice in _ARCHIVES:
        if any(member.endswith(ending) for member in names):
            return f"{name}, which is not read here; {advice}"
    return None
