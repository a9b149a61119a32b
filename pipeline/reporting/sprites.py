"""The small images of a task, all in one picture that the page contains once."""

import base64
import io
import math
from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

COLUMNS = 24
SMALL_PIXELS, LARGEST_PIXELS = 40, 64  # images up to the first size keep their pixels; larger ones shrink to the second
QUALITY = 75  # of WebP, for images that shrink
SHOWN_PIXELS = 56  # the least size on the screen of an image's longer side
MARKED_PIXELS = 176  # the same of an image with marks on it


@dataclass(frozen=True)
class Tile:
    """An image's place in the picture."""

    sheet: str
    column: int
    row: int


@dataclass(frozen=True)
class Sprites:
    """Images of one shape. An image that several sections show is stored once."""

    name: str  # of the picture in the page's style, a valid part of a CSS class
    shape: tuple[int, ...]  # (height, width, channels)
    images: list[Image.Image] = field(default_factory=list)
    places: dict[Hashable, int] = field(default_factory=dict)

    def add(self, key: Hashable, pixels: np.ndarray) -> Tile:
        """Return the place of the image, uint8 `shape`, which the key identifies."""
        if key not in self.places:
            self.places[key] = len(self.images)
            self.images.append(_small(pixels, self.size))
        row, column = divmod(self.places[key], COLUMNS)
        return Tile(self.name, column, row)

    @property
    def size(self) -> tuple[int, int]:
        """The (width, height) of an image in the picture."""
        height, width = self.shape[:2]
        longest = max(height, width)
        scale = 1.0 if longest <= SMALL_PIXELS else LARGEST_PIXELS / longest
        return max(1, round(width * scale)), max(1, round(height * scale))

    @property
    def columns(self) -> int:
        """The number of images in a row of the picture."""
        return COLUMNS

    @property
    def is_enlarged(self) -> bool:
        """Whether the page enlarges the images, so that their pixels should stay sharp."""
        return max(self.size) < SHOWN_PIXELS

    @property
    def shown(self) -> tuple[int, int]:
        """The (width, height) of an image on the screen, in CSS pixels."""
        width, height = self.size
        scale = max(1.0, SHOWN_PIXELS / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))

    @property
    def zoom(self) -> float:
        """How many times larger an image is shown if it has marks on it."""
        return MARKED_PIXELS / max(self.shown)

    def data_uri(self) -> str:
        """Return the picture as a data URI. It needs one image at least."""
        width, height = self.size
        sheet = Image.new(self.images[0].mode, (COLUMNS * width, math.ceil(len(self.images) / COLUMNS) * height))
        for index, image in enumerate(self.images):
            row, column = divmod(index, COLUMNS)
            sheet.paste(image, (column * width, row * height))
        buffer = io.BytesIO()
        if max(self.shape[:2]) <= SMALL_PIXELS:
            sheet.save(buffer, format="PNG", optimize=True)
            return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        sheet.save(buffer, format="WEBP", quality=QUALITY)
        return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _small(pixels: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """Return an image uint8 (height, width, channels) in grey or RGB, in the size (width, height)."""
    channels = pixels.shape[2]
    image = Image.fromarray(np.ascontiguousarray(pixels[..., :3] if channels >= 3 else pixels[..., 0]))
    return image if image.size == size else image.resize(size, Image.Resampling.BOX)
