"""The result of every reader: the raw rows of a split."""

import re
from dataclasses import dataclass

import numpy as np

from features.images.layouts import Layout

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")  # "007" is a name, not a number


@dataclass(frozen=True)
class Form:
    """The form of the pixels in raw files, as a task's entry declares it. None means: infer it."""

    image: tuple[int, ...] | None = None  # (height, width) or (height, width, channels)
    scale: float = 1.0  # factor of raw pixels
    layout: Layout | None = None  # order of the colours
    background: str = "white"  # of transparent images: a colour name of Pillow


@dataclass(frozen=True)
class Raw:
    """The rows of one split. What the file of the images does not contain is None."""

    images: np.ndarray  # (n, height, width, channels) uint8
    ids: np.ndarray | None = None  # (n,) int64 or text
    labels: np.ndarray | None = None  # (n,) int64 or text
    files: tuple[str, ...] | None = None  # for a folder of images: n paths relative to it
    label_column: str | None = None  # the file's own name of its labels, if it has labels
    layout: Layout | None = None  # order of the colours in the file, if it has colours


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
