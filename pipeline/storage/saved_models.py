"""Saved models without dates, so that equal weights are equal files."""

import json
import shutil
from pathlib import Path
from zipfile import ZipFile, ZipInfo

METADATA, DATE = "metadata.json", "date_saved"


def copy_undated(source: Path, target: Path) -> None:
    """Copy a `.keras` file, a zip, with every date in it set to the first that a zip can hold."""
    with ZipFile(source) as dated, ZipFile(target, "w") as undated:
        for name in sorted(dated.namelist()):
            before, entry = dated.getinfo(name), ZipInfo(name)
            entry.compress_type, entry.file_size = before.compress_type, before.file_size
            if name == METADATA:
                metadata = json.loads(dated.read(name)) | {DATE: "1980-01-01@00:00:00"}
                undated.writestr(entry, json.dumps(metadata))
                continue
            with dated.open(name) as file, undated.open(entry, "w") as copy:
                shutil.copyfileobj(file, copy, 1 << 20)
