"""What every reader returns."""

import re
from dataclasses import dataclass

import numpy as np

from features.images.layouts import Layout

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")  # "007" is a name, not a number


@dataclass(frozen=True)
class Form:
    """What a task's entry says of the pixels in its raw files; what is None is inferred."""

    image: tuple[int, ...] | None = None  # (height, width) or (height, width, channels)
    scale: float = 1.0  # of raw pixels
    layout: Layout | None = None  # of colours
    background: str = "white"  # of transparent images, a colour that Pillow knows


@dataclass(frozen=True)
class Raw:
    """The rows of one split, as far as the file of its images tells them."""

    images: np.ndarray  # (n, height, width, channels) uint8
    ids: np.ndarray | None = None  # (n,) int64 or text
    labels: np.ndarray | None = None  # (n,) int64 or text
    files: tuple[str, ...] | None = None  # of a folder of images: n paths relative to it
    label_column: str | None = None  # how the file calls its labels, where it has any
    layout: Layout | None = None  # of the colours in the file, where it has any


def tidy(values: np.ndarray, what: str = "value") -> np.ndarray:
    """Return ids or labels (n,) as int64 where every value is a plainly written whole number, else as text.

    Raises:
        ValueError: a value is missing or a fraction, or the values are no column.
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(f"shape {values.shape} is not one value a row")
    if values.dtype.kind in "biu":
        return values.astype(np.int64)
    if values.dtype.kind == "f":
        return _whole(values, what)
    texts = [value.decode() if isinstance(value, bytes) else str(value).strip() for value in values.tolist()]
    if "" in texts:
        raise ValueError(f"the {what} of row {texts.index('')} (counted from 0) is empty")
    if all(_WHOLE.fullmatch(text) for text in texts):
        return np.array([int(text) for text in texts], np.int64)
    return np.array(texts, np.str_)


def tidy_labels(values: np.ndarray, separator: str | None) -> np.ndarray:
    """Return labels (n,) as `tidy` does, or where they are sets with a separator as texts, of which some are empty."""
    if separator is None:
        return tidy(values, "label")
    return np.array([str(value).strip() for value in values.tolist()], np.str_)


def _whole(values: np.ndarray, what: str) -> np.ndarray:
    bad = ~np.isfinite(values) | (values != np.round(values))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"the {what} of row {row} (counted from 0) is {values[row]}, no whole number")
    return values.astype(np.int64)
