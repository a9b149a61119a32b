"""A folder of images (PNG, JPEG or BMP), flat or with a subfolder for each class."""

import re
from pathlib import Path

import numpy as np

from pipeline.config.errors import quoted
from pipeline.config.schema import Label
from pipeline.readers.images.decoding import is_grey, picture_size
from pipeline.readers.images.files import FileImages
from pipeline.readers.raw import Form, Raw, tidy
from pipeline.storage.files import BadInput

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
_TRAIN = re.compile(r"train(ing)?", re.IGNORECASE)  # can be a class of vehicles
_SPLIT = re.compile(r"test(ing)?|val(id|idation)?|dev", re.IGNORECASE)
_SAMPLED_FILES = 32  # whose headers show whether the images are grey


def read_folder(folder: Path, form: Form) -> Raw:
    """Return the images of a folder without hidden files, sorted by path with numbers in numeric order.

    With a fit, all images get the form's size. Without one they must have it, or the first image's if none is declared.
    They are grey if a sample of them is. If the images are in subfolders, the first subfolder is the label.

    Raises:
        BadInput: there are no images, or one of the first is damaged. Reading the images can raise more.
    """
    files = _image_files(folder)
    if not files:
        raise BadInput(f"{folder}: no images in it, expected files ending in {', '.join(SUFFIXES)}")
    height, width = form.image[:2] if form.image else picture_size(folder / files[0])
    images = FileImages(folder, files, form, (height, width, _channels(folder, files, form)))
    return Raw(images, labels=_labels(folder, files), files=files)


def _channels(folder: Path, files: tuple[str, ...], form: Form) -> int:
    if form.image is not None and len(form.image) == 3:
        return form.image[2]
    if form.channels is not None:
        return form.channels
    sample = files[:: -(-len(files) // _SAMPLED_FILES)]
    return 1 if all(is_grey(folder / name, form.background) for name in sample) else 3


def _image_files(folder: Path) -> tuple[str, ...]:
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES]
    visible = [path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts)]
    return tuple(sorted((name for name in visible if not (folder / name).is_dir()), key=_natural))


def _natural(name: str) -> tuple:
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
            f"{folder}: its subfolder {quoted(splits[0])} is a split, not a class; let train.images of the task name "
            f"the folder of the classes, {folder / train}, or list {quoted(splits[0])} in classes if it is one"
        )
