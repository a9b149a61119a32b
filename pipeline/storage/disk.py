"""The disk space that a stage is going to need, with what DVC's cache takes for the same files."""

import configparser
import shutil
from pathlib import Path

from pipeline.storage.files import BadInput

_DVC = Path(".dvc")
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def check_space(folder: Path, size_bytes: int) -> str:
    """Return a sentence about the space for new files of `size_bytes` in `folder`, DVC's cache included.

    DVC's cache needs the same space again, unless the first one of its `cache.type` is a link: a hard link within one
    file system, or a symbolic one. (A reflink saves space too, but few file systems have it.)

    Raises:
        BadInput: there is too little space.
    """
    needs = {_existing(folder): size_bytes}
    cache, is_shared = _cache(folder)
    if cache is not None and not is_shared:
        needs[_existing(cache)] = needs.get(_existing(cache), 0) + size_bytes
    total, note = sum(needs.values()), "" if cache is None else ", DVC's cache included"
    by_device: dict[int, int] = {}
    for place, need in needs.items():
        device = place.stat().st_dev
        by_device[device] = by_device.get(device, 0) + need
        free = shutil.disk_usage(place).free
        if by_device[device] > free:
            raise BadInput(
                f"{folder}: needs {_text(by_device[device])} of disk{note}, but {place} has {_text(free)} left; free "
                "some, or declare a smaller image"
            )
    free = shutil.disk_usage(_existing(folder)).free
    return f"needs {_text(total)} of disk{note}; {_text(free)} are free"


def _cache(folder: Path) -> tuple[Path | None, bool]:
    """Return the folder of DVC's cache, if there is one, and whether it shares its files with `folder`."""
    if not _DVC.is_dir():
        return None, True
    settings = configparser.ConfigParser(interpolation=None, strict=False)
    settings.read([_DVC / "config", _DVC / "config.local"], encoding="utf-8")
    cache = _DVC / settings.get("cache", "dir", fallback="cache")
    first_type = settings.get("cache", "type", fallback="reflink,copy").strip('"').split(",")[0]  # of a new file
    is_one_device = _existing(cache).stat().st_dev == _existing(folder).stat().st_dev
    return cache, first_type == "symlink" or (first_type == "hardlink" and is_one_device)


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _text(size_bytes: float) -> str:
    """Return a size for a sentence, such as `1.5 GB`."""
    for unit in _UNITS[:-1]:
        if size_bytes < 1000:
            return f"{size_bytes:.3g} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.3g} {_UNITS[-1]}"
