"""An archive of a competition's files to a folder of them, and that folder's files to where the user has them."""

import filecmp
import lzma
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath


def unpack(archive: Path, folder: Path) -> None:
    """Write the files of a zip, and those of the zips within it, to `folder`, which is made anew.

    A zip within that holds several files becomes a folder of its name, unless all of them lie in one folder already.

    Raises:
        ValueError: the archive is broken or locked, or a name in it leads out of the folder.
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
        with zipfile.ZipFile(archive) as opened:
            _check_space(archive, folder, opened)
            for member in opened.infolist():
                name = PurePosixPath(member.filename.replace("\\", "/"))
                if name.is_absolute() or ".." in name.parts or ":" in member.filename:
                    raise ValueError(f"{archive.name} holds {member.filename!r}, which leads out of its folder")
                if name.parts[:1] != ("__MACOSX",):
                    opened.extract(member, folder)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{archive.name} is not readable as zip ({error})") from error
    except OSError as error:
        if error.errno is not None:  # bz2 has none where its data are broken
            raise
        raise ValueError(f"{archive.name} is not readable as zip ({error})") from error


def _check_space(archive: Path, folder: Path, opened: zipfile.ZipFile) -> None:
    needed, free = sum(member.file_size for member in opened.infolist()), shutil.disk_usage(folder).free
    if needed > free:
        gib = [f"{size / 2**30:.1f}" for size in (needed, free)]
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
    """Return all files below a folder, relative to it, in order."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def differing(source: Path, target: Path) -> list[Path]:
    """Return the files of `source` in whose place `target` has something else."""
    return [path for path in files_of(source) if (target / path).exists() and not _same(source / path, target / path)]


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(one, other, shallow=False)


def move(source: Path, target: Path) -> int:
    """Move what `target` does not have, or has otherwise, from `source`, each file in one step; return how many.

    Raises:
        OSError: a folder stands in the place of a file, or the other way round.
    """
    moved = 0
    for path in files_of(source):
        place = target / path
        if not place.exists() or not _same(source / path, place):
            place.parent.mkdir(parents=True, exist_ok=True)
            (source / path).replace(place)
            moved += 1
    return moved
