"""A folder of images (PNG, JPEG or BMP), flat or with a subfolder for each class.

Images are upright and opaque, as an image viewer shows them.
"""

import re
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pipeline.config.errors import quoted
from pipeline.config.schema import Label
from pipeline.readers.compressed import check_regular
from pipeline.readers.raw import Form, Raw, tidy
from pipeline.storage.files import BadInput

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
_TRAIN = re.compile(r"train(ing)?", re.IGNORECASE)  # can be a class of vehicles
_SPLIT = re.compile(r"test(ing)?|val(id|idation)?|dev", re.IGNORECASE)
_GREY_MODES, _COLOUR_MODES = ("1", "L", "LA"), ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr")


def read_folder(folder: Path, form: Form) -> Raw:
    """Return the images of a folder without hidden files, sorted by path with numbers in numeric order.

    All images must have one size: `form.image` (height, width[, channels]) if declared, else the first image's. Images
    are rotated by their EXIF orientation. Transparent pixels show `form.background`. If the images are in subfolders,
    the first subfolder is the label.

    Raises:
        BadInput: there are no images, or an image is corrupt, not a regular file, of another size, or has colours
            although the first one is grey.
    """
    files = _image_files(folder)
    if not files:
        raise BadInput(f"{folder}: no images in it, expected files ending in {', '.join(SUFFIXES)}")
    first, declared = _decode(folder / files[0], form.background), form.image or ()
    height, width = declared[:2] or (first.height, first.width)
    channels = declared[2] if len(declared) == 3 else len(first.getbands())
    images = np.empty((len(files), height, width, channels), np.uint8)
    for row, name in enumerate(files):
        image = _decode(folder / name, form.background)
        if channels == 1 and len(declared) < 3 and image.mode != "L":
            raise BadInput(
                f"{folder / name}: a colour image, but the first one is grey; declare image: [height, width, 3]"
            )
        if (image.height, image.width) != (height, width):
            raise BadInput(f"{folder / name}: the image is {image.height}x{image.width}, expected {height}x{width}")
        images[row] = np.asarray(image.convert("L" if channels == 1 else "RGB")).reshape(height, width, channels)
    return Raw(images, labels=_labels(folder, files), files=tuple(files))


def _image_files(folder: Path) -> list[str]:
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES]
    visible = [path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts)]
    return sorted((name for name in visible if not (folder / name).is_dir()), key=_natural)


def _natural(name: str) -> tuple:
    parts = re.split(r"([0-9]+)", name)  # text and numbers in turn, so that text is compared with text
    return tuple(int(part) if index % 2 else part for index, part in enumerate(parts)), name


def _labels(folder: Path, files: list[str]) -> np.ndarray | None:
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


def _decode(path: Path, background: str) -> Image.Image:
    """Return an image of mode L or RGB, upright and opaque. An image with a grey palette has mode L."""
    check_regular(path)
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            image.load()
            mode, upright = image.mode, ImageOps.exif_transpose(image)
            if mode in _GREY_MODES + _COLOUR_MODES:
                return _opaque(upright, background)
    except FileNotFoundError:
        raise
    except Exception as error:  # each decoder of Pillow raises its own types of errors
        raise BadInput(f"{path}: not readable as an image: {error}") from error
    raise BadInput(f"{path}: pixels of mode {mode}, expected 8 bits a channel")


def _opaque(image: Image.Image, background: str) -> Image.Image:
    mode, is_palette = "L" if image.mode in _GREY_MODES else "RGB", image.mode in ("P", "PA")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, background), image)
    image = image.convert("RGB" if is_palette else mode)
    return image.convert("L") if is_palette and _is_grey(image) else image


def _is_grey(image: Image.Image) -> bool:
    red, green, blue = np.moveaxis(np.asarray(image), -1, 0)
    return np.array_equal(red, green) and np.array_equal(green, blue)
