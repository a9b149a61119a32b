"""A folder of images: PNG, JPEG or BMP; flat, or one subfolder a class."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.readers.raw import Raw, tidy
from pipeline.storage.files import BadInput

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
_GREY_MODES, _COLOUR_MODES = ("1", "L", "LA"), ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr")


def read_folder(folder: Path, image: tuple[int, ...] | None) -> Raw:
    """Return the images of a folder, sorted by path with numbers in numeric order, hidden files left out.

    Every image must have one size: `image` (height, width[, channels]) where declared, else the first one's.
    Where the images lie in subfolders, the first subfolder is the label.

    Raises:
        BadInput: there are no images, or one is corrupt, of another size, or coloured after a grey one.
    """
    files = _image_files(folder)
    if not files:
        raise BadInput(f"{folder}: no images in it, expected files ending in {', '.join(SUFFIXES)}")
    first = _decode(folder / files[0])
    height, width = image[:2] if image else (first.height, first.width)
    channels = image[2] if image and len(image) == 3 else 1 if _is_grey(first) else 3
    images = np.empty((len(files), height, width, channels), np.uint8)
    for row, name in enumerate(files):
        pixels = _pixels(folder / name, channels, declared=image is not None and len(image) == 3)
        if pixels.shape[:2] != (height, width):
            found = "x".join(map(str, pixels.shape[:2]))
            raise BadInput(f"{folder / name}: the image is {found}, expected {height}x{width}")
        images[row] = pixels
    return Raw(images, labels=_labels(folder, files), files=tuple(files))


def _image_files(folder: Path) -> list[str]:
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES]
    visible = [path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts)]
    return sorted(visible, key=_natural)


def _natural(name: str) -> tuple:
    parts = re.split(r"([0-9]+)", name)  # text and numbers in turn, so like stands beside like
    return tuple(int(part) if index % 2 else part for index, part in enumerate(parts)), name


def _labels(folder: Path, files: list[str]) -> np.ndarray | None:
    nested = [name for name in files if "/" in name]
    if not nested:
        return None
    if len(nested) < len(files):
        stray = next(name for name in files if "/" not in name)
        raise BadInput(f"{folder / stray}: lies beside subfolders, expected in the one of its class")
    return tidy(np.array([name.partition("/")[0] for name in files]))


def _decode(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except FileNotFoundError:
        raise
    except Exception as error:  # every decoder of Pillow fails in a way of its own
        raise BadInput(f"{path}: not readable as an image: {error}") from error


def _is_grey(image: Image.Image) -> bool:
    if image.mode in _GREY_MODES:
        return True
    if image.mode not in ("P", "PA"):
        return False
    red, green, blue = np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)
    return np.array_equal(red, green) and np.array_equal(green, blue)


def _pixels(path: Path, channels: int, declared: bool) -> np.ndarray:
    """Return (height, width, channels) uint8; colour becomes grey only where the user declared grey."""
    image = _decode(path)
    if image.mode not in _GREY_MODES + _COLOUR_MODES:
        raise BadInput(f"{path}: pixels of mode {image.mode}, expected 8 bits a channel")
    if channels == 1 and not declared and not _is_grey(image):
        raise BadInput(f"{path}: a colour image, but the first one is grey; declare image: [height, width, 3]")
    if image.mode in ("P", "PA"):
        image = image.convert("RGB")
    image = image.convert("L" if channels == 1 else "RGB")
    return np.asarray(image, np.uint8).reshape(image.height, image.width, channels)
