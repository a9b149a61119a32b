"""The roles of arrays in one file: images, labels, ids. From declarations, then from names, then from shapes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.config.errors import quote
from pipeline.config.schema import Split

_LABEL_KEYS = ("y", "label", "labels", "class", "classes", "target", "targets")
_ID_KEYS = ("id", "ids")
_MOST_NAMES = 8  # in a message


@dataclass(frozen=True)
class NamedArrays:
    """The arrays of a file by their roles."""

    images: np.ndarray  # (n, ...)
    labels: np.ndarray | None  # (n,)
    ids: np.ndarray | None  # (n,)
    columns: pd.DataFrame | None  # n texts a column: the other arrays (n,)


def by_role(
    shapes: Mapping[str, tuple[int, ...]], load: Callable[[str], np.ndarray], split: Split, labelled: bool
) -> NamedArrays:
    """Return arrays by their roles. Unless `labelled`, labels are not needed, and never guessed.

    Args:
        shapes: of all arrays, by name.
        load: returns the array of a name.
        split: the settings of the split.
        labelled: whether labels are needed.

    Raises:
        ValueError: a declared array is missing, or it is not clear which one has a role.
    """
    images, labels, ids = _roles(shapes, split, labelled)
    others = [key for key, shape in shapes.items() if shape == shapes[images][:1] and key not in (images, labels, ids)]
    columns = {key: _texts(load(key)) for key in others}
    return NamedArrays(
        load(images),
        None if labels is None else load(labels),
        None if ids is None else load(ids),
        pd.DataFrame(columns) if columns else None,
    )


def _roles(shapes: Mapping[str, tuple[int, ...]], split: Split, labelled: bool) -> tuple[str, str | None, str | None]:
    """Return the names of images, labels and ids."""
    images = _images(shapes, split.images_key)
    rest = {key: shape for key, shape in shapes.items() if key != images}
    ids = next((key for key in rest if key.lower() in _ID_KEYS), None)
    labels = _labels({key: shape for key, shape in rest.items() if key != ids}, split.labels_key, labelled)
    return images, labels, ids


def shape_list(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return the names and shapes, for a message."""
    names = [f"{key} {shape}" for key, shape in shapes.items()]
    return ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "") or "nothing"


def _texts(array: np.ndarray) -> np.ndarray:
    texts = np.char.decode(array, "latin-1") if array.dtype.kind == "S" else array.astype(str)
    return texts.astype(object)


def _images(shapes: Mapping[str, tuple[int, ...]], declared: str | None) -> str:
    if declared is not None:
        return _known(shapes, declared, "images_key")
    candidates = [key for key, shape in shapes.items() if len(shape) >= 2 or len(shapes) == 1]
    if len(candidates) != 1:
        raise ValueError(f"{len(candidates)} arrays may be the images ({shape_list(shapes)}); declare images_key")
    return candidates[0]


def _labels(shapes: Mapping[str, tuple[int, ...]], declared: str | None, labelled: bool) -> str | None:
    if declared is not None:
        return _known(shapes, declared, "labels_key")
    candidates = [key for key in shapes if key.lower() in _LABEL_KEYS]
    candidates = candidates or [key for key, shape in shapes.items() if len(shape) == 1]
    if len(candidates) > 1 and not labelled:
        return None
    if len(candidates) > 1:
        raise ValueError(f"{', '.join(candidates)} may each be the labels; declare labels_key")
    return candidates[0] if candidates else None


def _known(shapes: Mapping[str, tuple[int, ...]], key: str, setting: str) -> str:
    if key not in shapes:
        raise ValueError(f"{setting} {quote(key)} is not in the file, which holds {shape_list(shapes)}")
    return key
