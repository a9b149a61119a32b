"""The result of every reader: the raw rows of a split."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import pandas as pd

from features.images.fitting import Fit
from features.images.layouts import Layout
from features.images.limits import Limits
from pipeline.config.errors import BadInput

MOST_CHARACTERS = 4096  # of an id or a label
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")  # "007" is a name, not a number


class DamagedImage(BadInput):
    """An image file that cannot be decoded."""


@dataclass(frozen=True)
class Form:
    """The form of the pixels in raw files, as a task's entry declares it. None means: infer it."""

    image: tuple[int, ...] | None = None  # (height, width) or (height, width, channels)
    scale: float = 1.0  # factor of raw pixels
    layout: Layout | None = None  # order of the colours
    background: str = "white"  # of transparent and padded images
    fit: Fit | None = None  # how image files get the size `image`; None: they must have one size
    channels: int | None = None  # of image files
    limits: Limits | Literal["robust"] | None = None  # of measured values
    all_pictures: bool = False  # whether all pictures of a product are rows, instead of the first one
    skips_damaged: bool = False  # whether damaged image files are reported instead of refused

    @property
    def declared_channels(self) -> int | None:
        """How many channels an image has, if the entry says so."""
        return self.image[2] if self.image is not None and len(self.image) == 3 else None

    @property
    def size_pixels(self) -> tuple[int, int]:
        """The declared (height, width)."""
        assert self.image is not None
        return self.image[0], self.image[1]


@dataclass(frozen=True)
class Part:
    """Consecutive images of a split. Their pixels are valid until the next part is read."""

    pixels: np.ndarray  # (k, height, width, channels) uint8
    damaged: Mapping[int, str] = field(default_factory=dict)  # complaints about some of the k, which are black


class Images(Protocol):
    """The images of one split. They are read part by part, so they need not fit into memory."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of the whole array: n, height, width, channels."""

    def take(self, rows: np.ndarray) -> "Images":
        """Return the images of these rows (k,), in their order."""

    def parts(self) -> Iterator[Part]:
        """Yield all images in order. Raises BadInput where one cannot be read."""


@dataclass(frozen=True)
class Raw:
    """The rows of one split. What the file of the images does not contain is None."""

    images: Images
    ids: np.ndarray | None = None  # (n,) int64 or text
    labels: np.ndarray | None = None  # (n,) int64 or text
    files: tuple[str, ...] | None = None  # for a folder of images: n paths relative to it
    label_column: str | None = None  # the file's own name of its labels, if it has labels
    form: Form = Form()  # with what was inferred of these rows, with which those of another split must be read
    columns: pd.DataFrame | None = None  # n texts a column: what else the file says of its images
    remark: str = ""  # for the stage's last line


def tidy(values: np.ndarray, noun: str = "value") -> np.ndarray:
    """Return ids or labels (n,) as int64 if every value is a whole number without leading zeros, else as text.

    Args:
        values: (n,) or (n, 1), numbers or texts.
        noun: the word for a value in an error message, such as "id".

    Raises:
        ValueError: a value is missing or a fraction, or the values are not one column.
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(f"shape {values.shape} is not one value a row")
    if values.dtype.kind in "biu":
        return values.astype(np.int64)
    if values.dtype.kind == "f":
        return _whole(values, noun)
    texts = [value.decode() if isinstance(value, bytes) else str(value).strip() for value in values.tolist()]
    if "" in texts:
        raise ValueError(f"the {noun} of row {texts.index('')} (counted from 0) is empty")
    lengths = [len(text) for text in texts]
    if texts and max(lengths) > MOST_CHARACTERS:  # NumPy needs this space for every row
        row = lengths.index(max(lengths))
        raise ValueError(
            f"the {noun} of row {row} (counted from 0) has {max(lengths)} characters, expected at most "
            f"{MOST_CHARACTERS}; is a quotation mark missing?"
        )
    if all(_WHOLE.fullmatch(text) for text in texts):
        return np.array([int(text) for text in texts], np.int64)
    return np.array(texts, np.str_)


def tidy_labels(values: np.ndarray, separator: str | None) -> np.ndarray:
    """Return labels (n,) as `tidy` does. With a separator they are label sets: texts, some of them empty."""
    if separator is None:
        return tidy(values, "label")
    return np.array([str(value).strip() for value in values.tolist()], np.str_)


def _whole(values: np.ndarray, noun: str) -> np.ndarray:
    bad = ~np.isfinite(values) | (values != np.round(values))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"the {noun} of row {row} (counted from 0) is {values[row]}, no whole number")
    return values.astype(np.int64)
