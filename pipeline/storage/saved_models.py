"""Saved models without what differs from run to run, so that equal networks with equal weights are equal files."""

import json
import re
import shutil
from pathlib import Path
from zipfile import ZipFile, ZipInfo

METADATA, DATE = "metadata.json", "date_saved"
CONFIG, OBJECT_ID = "config.json", re.compile(rb'("shared_object_id": )(\d+)')  # an address in memory


def copy_canonical(source: Path, target: Path) -> None:
    """Copy a `.keras` file, a zip, with every date the first that a zip can hold and objects numbered in order."""
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
    return OBJECT_ID.sub(lambda found: found[1] + b"%d" % numbers.setdefault(found[2], len(numbers) + 1), config)
