"""Unpack the archive of a competition's files, and move the files to the user's folder."""

import filecmp
import lzma
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath


def unpack(archive: Path, folder: Path) -> None:
    """Extract a zip, and the zips inside it, into `folder`. What the folder contained before is deleted.

    An inner zip becomes a folder of its name if it contains several files that are not all in one folder.

    Raises:
        ValueError: the archive is broken or encrypted, or a name in it leads out of the folder.
    """
    shutil.rmtree(folder, ignore_errors=True)
    _extract(archive, folder)
    for inner in sorted(folder.rglob("*.zip")):
        aside = inner.with_name(inner.name + ".unpacked")
        _extract(inner, aside)
        inner.unlink()
        _merge(aside, _place(inner, aside))
        shutil.rmtree(aside)


def _place(inner: Path, unpacked: Path) -> Path:
    entries = list(unpacked.iterdir())
    return inner.parent if len(entries) == 1 else inner.with_suffix("")


def _extract(archive: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    try:
        with zipfile.ZipFile(archive) as zip_file:
            _check_space(archive, folder, zip_file)
            for member in zip_file.infolist():
                name = PurePosixPath(member.filename.replace("\\", "/"))
                if name.is_absolute() or ".." in name.parts or ":" in member.filename:
                    raise ValueError(f"{archive.name} contains {member.filename!r}, which leads out of its folder")
                if name.parts[:1] != ("__MACOSX",):
                    zip_file.extract(member, folder)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{archive.name} is not readable as zip ({error})") from error
    except OSError as error:
        if error.errno is not None:  # bz2 raises an OSError without errno for broken data
            raise
        raise ValueError(f"{archive.name} is not readable as zip ({error})") from error


def _check_space(archive: Path, folder: Path, zip_file: zipfile.ZipFile) -> None:
    needed_bytes, free_bytes = sum(member.file_size for member in zip_file.infolist()), shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        gib = [f"{size / 2**30:.1f}" for size in (needed_bytes, free_bytes)]
        raise ValueError(
            f"{archive.name} unpacks to {gib[0]} GiB, expected no more than the {gib[1]} GiB that are free"
        )


def _merge(source: Path, target: Path) -> None:
    for path in files_of(source):
        place = target / path
        if place.exists():
            raise ValueError(f"two files are called {path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        (source / path).replace(place)


def files_of(folder: Path) -> list[Path]:
    """Return all files in a folder and its subfolders, as sorted relative paths."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def differing(source: Path, target: Path) -> list[Path]:
    """Return the files of `source` that exist in `target` with other contents."""
    return [path for path in files_of(source) if (target / path).exists() and not _same(source / path, target / path)]


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(one, other, shallow=False)


def move(source: Path, target: Path) -> int:
    """Move the files that are missing or different in `target` from `source`, and return how many were moved.

    Each file is moved in one step.

    Raises:
        OSError: `target` has a folder where `source` has a file, or the reverse.
    """
    moved_count = 0
    for path in files_of(source):
        place = target / path
        if not place.exists() or not _same(source / path, place):
            place.parent.mkdir(parents=True, exist_ok=True)
            (source / path).replace(place)
            moved_count += 1
    return moved_count
