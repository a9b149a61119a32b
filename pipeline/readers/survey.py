"""Look at a folder of raw files without reading the images: which files play which role in the competition."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.config.errors import BadInput
from pipeline.readers.csv_table import Table, sniff
from pipeline.readers.folders import SUFFIXES
from pipeline.readers.images.decoding import look
from pipeline.readers.raw import Form

_TABLES = re.compile(r"\.csv(\.(gz|zip))?$", re.IGNORECASE)
_ARRAYS = re.compile(r"\.(csv|pkl|pickle|npz|npy|json|bson)(\.(gz|zip))?$", re.IGNORECASE)
_TRAIN, _TEST = re.compile(r"train(?!er)", re.IGNORECASE), re.compile(r"test", re.IGNORECASE)
_SAMPLE, _SUBMISSION = re.compile(r"sample", re.IGNORECASE), re.compile(r"submission", re.IGNORECASE)
_LABELS, _NO_LABELS = (
    re.compile(r"train|label|annot", re.IGNORECASE),
    re.compile(r"test|submission|solution", re.IGNORECASE),
)
_MEASURED_FILES = 400  # whose headers show the sizes of the images
_JSON_BYTES = 1 << 16  # enough to tell COCO's keys


@dataclass(frozen=True)
class Source:
    """The images of a split: a folder of image files with all its subfolders, or one file of arrays."""

    name: str  # relative to the folder of the competition; "." is that folder
    files: tuple[str, ...] = ()  # the images of a folder, relative to it, in order

    @property
    def subfolders(self) -> tuple[str, ...]:
        """The first subfolders of the images, or none if an image is in no subfolder."""
        if any("/" not in file for file in self.files):
            return ()
        return tuple(sorted({file.partition("/")[0] for file in self.files}))


@dataclass(frozen=True)
class Survey:
    """The roles of the files. A role without a file is None."""

    folder: Path
    sample: Table
    train: Source | None
    test: Source | None
    labels: Table | None  # the CSV with the training labels
    coco: str | None  # the JSON with the training labels
    others: dict[str, int] = field(default_factory=dict)  # number of files by suffix that have no role


@dataclass(frozen=True)
class Pictures:
    """The image files of the competition, from the headers of a sample."""

    count: int
    height: int  # of the median image; 0 if there are only files of arrays
    width: int
    is_mixed: bool
    is_colour: bool = False


def survey(folder: Path) -> Survey:
    """Return the roles of the files in a folder.

    Raises:
        BadInput: there is no sample submission, or a CSV is damaged.
        FileNotFoundError: there is no such folder.
    """
    names = sorted(_visible(folder))
    pictures = [name for name in names if name.lower().endswith(SUFFIXES)]
    tables = [name for name in names if _TABLES.search(name)]
    sample = _sample(folder, tables)
    arrays = [name for name in names if _ARRAYS.search(name) and name != sample.path.relative_to(folder).as_posix()]
    folders = _folders(pictures) or [Source(name) for name in arrays]
    test = next((part for part in folders if _TEST.search(part.name)), None)
    train = next((part for part in folders if part is not test and _TRAIN.search(part.name)), None)
    if train is None:
        train = next((part for part in folders if part is not test), None)
    roles = {sample.path.relative_to(folder).as_posix(), *(part.name for part in (train, test) if part)}
    labels = _labels(folder, [name for name in tables if name not in roles and not _NO_LABELS.search(name)], sample)
    coco = next((name for name in names if name.endswith(".json") and _is_coco(folder / name)), None)
    others = Counter(Path(name).suffix.lower() for name in names if name not in pictures and name not in tables)
    return Survey(folder, sample, train, test or train, labels, coco, dict(others))


def measure(files: Survey) -> Pictures:
    """Return the number and the sizes of the images, from the headers of a sample. Arrays have no header: size 0."""
    assert files.train is not None and files.test is not None
    sources = {source.name: source for source in (files.train, files.test)}.values()
    pictures = [files.folder / source.name / file for source in sources for file in source.files]
    sizes, channels = [], []
    for path in pictures[:: -(-len(pictures) // _MEASURED_FILES) or 1]:
        try:
            picture = look(path, Form())
        except (BadInput, OSError):  # `ingest` names a damaged image
            continue
        sizes.append(picture.size_pixels)
        channels.append(picture.channels)
    if not sizes:
        return Pictures(len(pictures), 0, 0, False)
    height, width = np.median(np.array(sizes), axis=0).round().astype(int).tolist()
    return Pictures(len(pictures), height, width, len(set(sizes)) > 1, bool(np.median(channels) == 3))


def _visible(folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        raise FileNotFoundError(2, "expected a folder with the competition's raw files", str(folder))
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if not any(part.startswith(".") for part in name.parts) and path.is_file():
            yield name.as_posix()


def _folders(pictures: list[str]) -> list[Source]:
    """Return the folders of images: down to the first name that says train or test, else the outermost ones."""
    files: dict[str, list[str]] = {}
    for name in pictures:
        parts = name.split("/")[:-1]
        named = next((depth for depth, part in enumerate(parts, 1) if _TRAIN.search(part) or _TEST.search(part)), 0)
        depth = named or min(len(parts), 1)
        files.setdefault("/".join(parts[:depth]) or ".", []).append("/".join(name.split("/")[depth:]))
    folders = [Source(name, tuple(inside)) for name, inside in files.items()]
    splits = [part for part in folders if _TRAIN.search(part.name) or _TEST.search(part.name)]
    others = [part for part in folders if part not in splits]
    if len(others) > 1 and not any(_TRAIN.search(part.name) for part in splits):  # a folder for each class, unnamed
        merged = tuple(f"{part.name}/{file}" for part in others for file in part.files)
        others = [Source(".", merged)]
    return sorted([*splits, *others], key=lambda part: -len(part.files))


def _sample(folder: Path, tables: list[str]) -> Table:
    for pattern in (_SAMPLE, _SUBMISSION):
        for name in tables:
            if pattern.search(Path(name).name):
                return sniff(folder / name)
    raise BadInput(
        f"{folder}: no sample submission in it, expected a CSV with sample or submission in its name; "
        "download it from the competition's page"
    )


def _labels(folder: Path, tables: list[str], sample: Table) -> Table | None:
    """Return the CSV with the training labels: the one with most of the sample's columns, then a telling name."""
    candidates = [sniff(folder / name) for name in tables]
    answers = set((sample.names or ())[1:])

    def rank(table: Table) -> tuple[int, bool]:
        return len(answers & set(table.names or ())), bool(_LABELS.search(table.path.name))

    fitting = [table for table in candidates if any(rank(table))]
    return max(fitting, key=rank, default=None)


def _is_coco(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_JSON_BYTES)
    if not head.lstrip().startswith(b"{"):
        return False
    return b'"annotations"' in head or b'"annotations"' in _tail(path)


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _JSON_BYTES))
        return file.read()
