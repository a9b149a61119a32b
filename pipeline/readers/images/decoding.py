"""One image file to pixels: upright, opaque, of the size and the number of channels that a task has."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from features.images.fitting import Fit, fit_channels, fit_picture, least_size
from features.images.limits import Limits, to_scale
from pipeline.readers.compressed import check_regular
from pipeline.readers.images import dicom
from pipeline.readers.images.arrays import read_image_array
from pipeline.readers.images.jpeg import SUFFIXES as JPEGS
from pipeline.readers.images.jpeg import decode_jpeg, jpeg_size, read_jpeg
from pipeline.readers.raw import DamagedImage, Form
from pipeline.storage.files import BadInput

PICTURES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".tif", ".tiff", ".webp")
ARRAYS = (".npy",)
_GREY_MODES, _COLOUR_MODES = ("1", "L", "LA"), ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr")
_DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")
_DEEP_PIXELS: Limits = ((0, 65_535),)
_ORIENTATION = 0x0112  # of EXIF; from 5 on, width and height change places
_UPRIGHT, _FIRST_LYING = 1, 5


@dataclass(frozen=True)
class Look:
    """What a file shows before it is decoded as part of a data set."""

    size_pixels: tuple[int, int]  # height, width
    channels: int
    values: np.ndarray | None  # (height, width, channels) if they have no natural scale, as pixels have


def look(path: Path, form: Form, content: BytesIO | None = None) -> Look:
    """Return the size, channels and values of an image file. For most pictures its header is enough.

    `content` is what to read, if the image is not a file of its own; `path` then names it in errors.

    Raises:
        BadInput: the file is damaged, not a regular file, or of a kind that is not read.
        FileNotFoundError: the file is missing.
    """
    with warnings.catch_warnings(action="ignore"), _opened(path, form, content) as image:
        if isinstance(image, np.ndarray):
            height, width, channels = image.shape
            return Look((height, width), channels, None if image.dtype in (np.uint8, np.uint16) else image)
        size = image.size if _lies(image) else image.size[::-1]
        if image.mode in ("P", "PA"):
            return Look(size, len(_opaque(image, form.background).getbands()), None)
        return Look(size, 1 if image.mode in _GREY_MODES else 3, None)


def decode(path: Path, form: Form, channels: int, content: BytesIO | None = None) -> np.ndarray:
    """Return the pixels of an image file, uint8 (height, width, channels). If the form has a fit, they have its size.

    It can be called in several threads. Warnings of Pillow are left to the caller, since their filters belong to the
    whole process.

    Raises:
        DamagedImage: the file cannot be decoded.
        BadInput: it is not a regular file, or has more channels than the task.
        FileNotFoundError: the file is missing.
    """
    if (pixels := _ordinary_jpeg(path, form, channels, content)) is not None:
        return pixels
    with _opened(path, form, content) as image:
        if isinstance(image, np.ndarray):
            pixels = _scaled(image, form)
            if pixels.shape[-1] not in (1, channels):
                raise BadInput(f"{path}: an image of {pixels.shape[-1]} channels, but others have {channels}")
            return np.broadcast_to(pixels, (*pixels.shape[:2], channels))
        if _orientation(image) != _UPRIGHT:
            ImageOps.exif_transpose(image, in_place=True)
        picture = _opaque(image, form.background)
        if channels == 1 and picture.mode != "L" and form.declared_channels is None:
            raise BadInput(f"{path}: a colour image, but others are grey; declare image: [height, width, 3]")
        if form.fit is not None:
            picture = fit_picture(picture, form.size_pixels, form.fit, form.background)
        mode = "L" if channels == 1 else "RGB"
        pixels = np.asarray(picture if picture.mode == mode else picture.convert(mode))
        return pixels.reshape(*pixels.shape[:2], channels)


def _ordinary_jpeg(path: Path, form: Form, channels: int, content: BytesIO | None) -> np.ndarray | None:
    """Return the pixels of an ordinary JPEG that is not to be shrunk while it is decoded. None: Pillow must read it."""
    if content is None:
        if path.suffix.lower() not in JPEGS:
            return None
        check_regular(path)
    data = read_jpeg(path) if content is None else content.getvalue()
    size = None if data is None else jpeg_size(data, channels)
    if (
        data is None
        or size is None
        or (form.fit is not None and _shrunk_size(size[::-1], form.size_pixels[::-1], form.fit))
    ):
        return None
    pixels = decode_jpeg(data, channels)
    if pixels is None or form.fit is None or size == form.size_pixels:
        return pixels
    picture = Image.fromarray(pixels if channels == 3 else pixels[..., 0])
    fitted = np.asarray(fit_picture(picture, form.size_pixels, form.fit, form.background))
    return fitted.reshape(*form.size_pixels, channels)


def _scaled(values: np.ndarray, form: Form) -> np.ndarray:
    """Return an array of an image (h, w, c) as uint8 of the form's size."""
    limits: Limits = ((0, 255),) if values.dtype == np.uint8 else _DEEP_PIXELS
    scaled = to_scale(values, form.limits if isinstance(form.limits, tuple) else limits)
    if form.fit is not None:
        scaled = fit_channels(scaled, form.size_pixels, form.fit, form.background)
    return np.rint(scaled).astype(np.uint8)


@contextmanager
def _opened(path: Path, form: Form, content: BytesIO | None) -> Iterator[Image.Image | np.ndarray]:
    """Yield an open picture of 8 bits a channel, or an array (height, width, channels) of other numbers.

    Errors in the block are those of a decoder, so they are errors about the file.
    """
    if content is None:
        check_regular(path)
    suffix = path.suffix.lower()
    try:
        if suffix in dicom.SUFFIXES:
            yield dicom.read_dicom(path, content or path)
            return
        if content is None and suffix in ARRAYS:
            yield read_image_array(path, form.declared_channels or form.channels)
            return
        with Image.open(content or path) as image:
            if image.mode in _GREY_MODES + _COLOUR_MODES:
                if form.fit is not None:
                    _shrink_while_decoding(image, form.size_pixels, form.fit)
                yield image
            elif image.mode in _DEEP_MODES:
                yield _deep_values(image)
            else:
                raise BadInput(f"{path}: pixels of mode {image.mode}, expected grey, colours or a palette")
    except (FileNotFoundError, BadInput):
        raise
    except Exception as error:  # each decoder of Pillow raises its own types of errors
        raise DamagedImage(f"{path}: not readable as an image: {error}") from error


def _deep_values(image: Image.Image) -> np.ndarray:
    """Return the pixels (h, w, 1) of a grey image with more than 8 bits a pixel: uint16, int32 or float32."""
    values = np.asarray(ImageOps.exif_transpose(image))[..., np.newaxis]
    is_16_bits = values.dtype.kind == "u" or (values.dtype.kind == "i" and image.format == "PNG")
    return values.astype(np.uint16) if is_16_bits else values


def _shrink_while_decoding(image: Image.Image, size_pixels: tuple[int, int], fit: Fit) -> None:
    """Let a JPEG decoder return every second, fourth or eighth pixel, if the result has far more than it needs."""
    target = size_pixels if _lies(image) else size_pixels[::-1]
    if least := _shrunk_size(image.size, target, fit):
        image.draft(None, least)  # None keeps the mode


def _shrunk_size(size: tuple[int, int], target: tuple[int, int], fit: Fit) -> tuple[int, int] | None:
    """Return the (width, height) to which a decoder may shrink a picture of `size`. None: it has not twice as much."""
    least = least_size(size, target, fit)
    return least if size[0] >= 2 * least[0] and size[1] >= 2 * least[1] else None


def _lies(image: Image.Image) -> bool:
    return _orientation(image) >= _FIRST_LYING


def _orientation(image: Image.Image) -> int:
    return image.getexif().get(_ORIENTATION, _UPRIGHT)


def _opaque(image: Image.Image, background: str) -> Image.Image:
    """Return an image of mode L or RGB. A grey palette becomes mode L."""
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
