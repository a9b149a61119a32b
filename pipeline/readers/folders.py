"""A folder of images, a file each, flat or with a subfolder for each class."""

import os
import re
from collections import Counter
from pathlib import Path

import numpy as np

from pipeline.config.errors import quote
from pipeline.config.schema import Label
from pipeline.readers.images import dicom
from pipeline.readers.images.decoding import ARRAYS, PICTURES
from pipeline.readers.images.sample import open_images
from pipeline.readers.raw import Form, Raw, tidy
from pipeline.storage.files import BadInput

SUFFIXES = (*PICTURES, *ARRAYS, *dicom.SUFFIXES)
_TRAIN = re.compile(r"train(ing)?([-_ ]?(set|data|images?))?", re.IGNORECASE)  # can be a class of vehicles
_SPLIT = re.compile(r"(test(ing)?|val(id|idation)?|dev|eval(uation)?)([-_ ]?(set|data|images?))?", re.IGNORECASE)
_MOST_SUFFIXES = 5  # named in the remark about other files


def read_folder(folder: Path, form: Form) -> Raw:
    """Return the images of a folder without hidden files, sorted by path with numbers in numeric order.

    If the images are in subfolders, the first subfolder is the label.

    Raises:
        BadInput: there are no images, or one of the sample is damaged. Reading the images can raise more.
    """
    files, others = _files(folder)
    if not files:
        raise BadInput(f"{folder}: no images in it, expected files ending in {', '.join(SUFFIXES)}")
    images = open_images(folder, files, form)
    return Raw(images, labels=_labels(folder, files), files=files, form=images.form, remark=_left_out(others))


def _files(folder: Path) -> tuple[tuple[str, ...], list[str]]:
    """Return the image files of a folder and the other files, without hidden ones."""
    images, others = [], []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        prefix = Path(place).relative_to(folder).as_posix() + "/" if place != str(folder) else ""
        for name in names:
            if not name.startswith("."):
                (images if name.lower().endswith(SUFFIXES) else others).append(prefix + name)
    return tuple(sorted(images, key=natural)), sorted(others)


def _left_out(others: list[str]) -> str:
    """Return the remark about files that are no images by their suffix."""
    if not others:
        return ""
    counts = Counter(Path(name).suffix.lower() or "no suffix" for name in others).most_common(_MOST_SUFFIXES)
    suffixes = ", ".join(f"{count} with {suffix}" for suffix, count in counts)
    return f"; left out {len(others)} other files ({suffixes}), for example {others[0]}"


def natural(name: str) -> tuple:
    """Return the key that sorts names with numbers in numeric order."""
    parts = re.split(r"([0-9]+)", name)  # text and numbers in turn, so that text is compared with text
    return tuple(int(part) if index % 2 else part for index, part in enumerate(parts)), name


def _labels(folder: Path, files: tuple[str, ...]) -> np.ndarray | None:
    nested = [name for name in files if "/" in name]
    if not nested:
        return None
    if len(nested) < len(files):
        stray = next(name for name in files if "/" not in name)
        raise BadInput(f"{folder / stray}: lies beside subfolders, expected in the one of its class")
    return tidy(np.array([name.partition("/")[0] for name in files]))


def refuse_splits(folder: Path, labels: np.ndarray, classes: tuple[Label, ...] | None) -> None:
    """Refuse subfolders that are splits instead of classes, unless they are declared as `classes`.

    Raises:
        BadInput: a subfolder has a split's name. The message names the key to set.
    """
    names = np.unique(labels.astype(str)).tolist()
    splits = [name for name in names if _SPLIT.fullmatch(name) and name not in map(str, classes or ())]
    if splits:
        train = next((name for name in names if _TRAIN.fullmatch(name)), "FOLDER")
        raise BadInput(
            f"{folder}: its subfolder {quote(splits[0])} is a split, not a class; let train.images of the task name "
            f"the folder of the classes, {folder / train}, or list {quote(splits[0])} in classes if it is one"
        )
