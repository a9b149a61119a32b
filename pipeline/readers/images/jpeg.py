"""Ordinary JPEG files, decoded in half of Pillow's time.

simplejpeg calls libjpeg-turbo once for an image, without Python's lock. Pillow parses the header in Python, where its
threads wait for each other, and copies the pixels twice.
"""

from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
_START = b"\xff\xd8\xff"
_EXIF = b"Exif\0\0"  # it may ask to turn the image
_COLOUR_SPACES = {1: ("Gray", "GRAY"), 3: ("YCbCr", "RGB")}  # by channels: of the file, of the pixels


def read_jpeg(path: Path) -> bytes | None:
    """Return the bytes of a JPEG file. None: it is another file, or cannot be read."""
    try:
        with path.open("rb") as file:
            return _START + file.read() if file.read(len(_START)) == _START else None
    except OSError:
        return None


def jpeg_size(data: bytes, channels: int) -> tuple[int, int] | None:
    """Return the (height, width) of an ordinary JPEG. None means that Pillow must read it.

    That is the case if it has EXIF data, other colours than YCbCr for three channels and grey for one, more pixels
    than Pillow reads without a warning, or a damaged header.
    """
    if channels not in _COLOUR_SPACES or not data.startswith(_START) or _EXIF in data:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    is_large = Image.MAX_IMAGE_PIXELS is not None and height * width > Image.MAX_IMAGE_PIXELS
    return None if is_large or colours != _COLOUR_SPACES[channels][0] else (height, width)


def decode_jpeg(data: bytes, channels: int) -> np.ndarray | None:
    """Return the pixels of an ordinary JPEG, uint8 (height, width, channels), equal to Pillow's. None: damaged."""
    try:
        return simplejpeg.decode_jpeg(data, _COLOUR_SPACES[channels][1])
    except ValueError:
        return None
