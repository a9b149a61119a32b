"""Saved models without dates and addresses, so that equal networks with equal weights are equal files."""

import json
import re
import shutil
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from pipeline.storage.files import reading

METADATA, DATE = "metadata.json", "date_saved"
CONFIG, OBJECT_ID = "config.json", re.compile(rb'("shared_object_id": )(\d+)')  # an address in memory


def check_whole(path: Path) -> None:
    """Read a `.keras` file to its end.

    Raises:
        BadInput: it is truncated or damaged.
    """
    with reading(path, "a saved model"), ZipFile(path) as saved:
        damaged_name = saved.testzip()
        if damaged_name or not saved.namelist():
            raise ValueError(f"its part {damaged_name} is damaged")


def copy_canonical(source: Path, target: Path) -> None:
    """Copy a `.keras` file, which is a zip, with fixed dates and with objects numbered in order.

    Every date becomes the first one that a zip can store.
    """
    with ZipFile(source) as saved, ZipFile(target, "w") as canonical:
        for name in sorted(saved.namelist()):
            before, entry = saved.getinfo(name), ZipInfo(name)
            entry.compress_type, entry.file_size = before.compress_type, before.file_size
            if name == METADATA:
                metadata = json.loads(saved.read(name)) | {DATE: "1980-01-01@00:00:00"}
                canonical.writestr(entry, json.dumps(metadata))
            elif name == CONFIG:
                canonical.writestr(entry, _numbered(saved.read(name)))
            else:
                with saved.open(name) as file, canonical.open(entry, "w") as copy:
                    shutil.copyfileobj(file, copy, 1 << 20)


def _numbered(config: bytes) -> bytes:
    numbers: dict[bytes, int] = {}
    return OBJECT_ID.sub(lambda match: match[1] + b"%d" % numbers.setdefault(match[2], len(numbers) + 1), config)
