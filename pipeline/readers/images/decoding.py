"""One image file to a picture: upright and opaque, as an image viewer shows it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from features.images.fitting import Fit, fit_picture, least_size
from pipeline.readers.compressed import check_regular
from pipeline.readers.raw import Form
from pipeline.storage.files import BadInput

_GREY_MODES, _COLOUR_MODES = ("1", "L", "LA"), ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr")
_ORIENTATION = 0x0112  # of EXIF; from 5 on, width and height change places
_FIRST_LYING = 5


def picture_size(path: Path) -> tuple[int, int]:
    """Return (height, width) of an image file, upright, from its header."""
    check_regular(path)
    with warnings.catch_warnings(action="ignore"), _decoder_errors(path), Image.open(path) as image:
        width, height = image.size
        return (width, height) if _lies(image) else (height, width)


def decode(path: Path, form: Form) -> Image.Image:
    """Return an image of mode L or RGB, of the form's size if the form has a fit. A grey palette becomes mode L.

    It can be called in several threads. Warnings of Pillow are left to the caller, since their filters belong to the
    whole process.

    Raises:
        BadInput: the file is damaged, not a regular file, or has more than 8 bits a channel.
        FileNotFoundError: the file is missing.
    """
    check_regular(path)
    with _decoder_errors(path), Image.open(path) as image:
        if form.fit is not None:
            _shrink_while_decoding(image, form.size_pixels, form.fit)
        image.load()
        mode = image.mode
        if mode in _GREY_MODES + _COLOUR_MODES:
            ImageOps.exif_transpose(image, in_place=True)
            picture = _opaque(image, form.background)
            return picture if form.fit is None else fit_picture(picture, form.size_pixels, form.fit, form.background)
    raise BadInput(f"{path}: pixels of mode {mode}, expected 8 bits a channel")


def is_grey(path: Path, background: str) -> bool:
    """Return whether an image has no colours, from its header, or from its palette."""
    check_regular(path)
    with warnings.catch_warnings(action="ignore"), _decoder_errors(path), Image.open(path) as image:
        if image.mode not in ("P", "PA"):
            return image.mode in _GREY_MODES
        return _opaque(image, background).mode == "L"


@contextmanager
def _decoder_errors(path: Path) -> Iterator[None]:
    """Turn what a decoder of Pillow raises, an error of any type, into a BadInput that names the file."""
    try:
        yield
    except (FileNotFoundError, BadInput):
        raise
    except Exception as error:
        raise BadInput(f"{path}: not readable as an image: {error}") from error


def _shrink_while_decoding(image: Image.Image, size_pixels: tuple[int, int], fit: Fit) -> None:
    """Let a JPEG decoder return every second, fourth or eighth pixel, if the result has far more than it needs."""
    height, width = size_pixels
    size, target = image.size, (width, height)
    if _lies(image):
        target = (height, width)
    image.draft(None, least_size(size, target, fit))  # None keeps the mode


def _lies(image: Image.Image) -> bool:
    return image.getexif().get(_ORIENTATION, 1) >= _FIRST_LYING


def _opaque(image: Image.Image, background: str) -> Image.Image:
    mode, is_palette = "L" if image.mode in _GREY_MODES else "RGB", image.mode in ("P", "PA")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, background), image)
    if image.mode != mode:
        image = image.convert(mode)
    return image.convert("L") if is_palette and _is_grey(image) else image


def _is_grey(image: Image.Image) -> bool:
    red, green, blue = np.moveaxis(np.asarray(image), -1, 0)
    return np.array_equal(red, green) and np.array_equal(green, blue)
