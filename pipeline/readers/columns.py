"""The roles of a table's columns: from declarations, then from names, then from counts.

If two columns fit a role equally well, the result is an error, never a guess.
"""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.images.layouts import flat_shape
from pipeline.config.schema import Split
from pipeline.readers.csv_table import ID_NAMES, INDEX_NAMES, LABEL_NAMES, Table, read_text

_MOST_OTHERS = 0.1  # columns that are no pixels, for each pixel
_BACKGROUND_SHARE = 0.9  # least share of rows in which a corner pixel of the image is black or white
_BUSY_VALUES = 100  # distinct values from which a column is a pixel of busy images


@dataclass(frozen=True)
class Columns:
    """Positions of the columns of a table of images."""

    pixels: tuple[int, ...]
    id: int | None
    label: int | None
    others: tuple[int, ...] = ()  # such as the patient


def named_columns(table: Table, split: Split) -> tuple[int | None, int | None, list[int]]:
    """Return the positions of id and label, from declarations or names, and those of all other columns.

    Raises:
        ValueError: a declared column is missing, or two columns have the same role.
    """
    label = _declared(table, split.label_column, "label_column")
    if label is None:
        label = _by_name(table, LABEL_NAMES, "label_column", other_role=None)
    id_ = _declared(table, split.id_column, "id_column")
    if id_ is None:
        id_ = _by_name(table, ID_NAMES, "id_column", other_role=label)
    indices = [position for position in _positions(table, INDEX_NAMES) if position != label]
    if id_ is None and indices:
        id_ = indices[0]
    return id_, label, [position for position in range(table.width) if position not in (id_, label, *indices)]


def image_columns(table: Table, split: Split, image: tuple[int, ...] | None, labelled: bool) -> Columns:
    """Return the columns of a table of images. If `labelled`, one of them must be the label.

    Raises:
        ValueError: no assignment of roles fits, or two fit equally well. The message names the setting to declare.
    """
    id_, label, rest = named_columns(table, split)
    needed = int(labelled and label is None)
    others = [] if needed else _unlike_pixels(table, rest, image)
    if others:
        id_ = _first_id(table, others) if id_ is None else id_
        pixels = tuple(position for position in rest if position not in others)
        return Columns(pixels, id_, label, tuple(position for position in others if position != id_))
    extras = _extras(rest, needed, needed + (id_ is None) + (not labelled and label is None), image)
    if extras == 2:
        id_, rest = _different(table, rest[:1]), rest[1:]
        label = _label(table, rest[0], rest[-1])
    elif extras == 1 and (needed or id_ is not None):
        label = _label(table, rest[0], rest[-1])
    elif extras == 1:
        id_ = _different(table, [rest[0], rest[-1]])
    return Columns(tuple(position for position in rest if position not in (id_, label)), id_, label)


def _declared(table: Table, column: int | str | None, setting: str) -> int | None:
    if column is None:
        return None
    if isinstance(column, str):
        matches = [position for position, name in enumerate(table.names or ()) if name == column]
        if len(matches) != 1:
            header = ", ".join((table.names or ())[:5]) or "no header"
            raise ValueError(f"{setting} {column!r} is {len(matches)} times in the header ({header})")
        return matches[0]
    if not -table.width <= column < table.width:
        raise ValueError(f"{setting} {column} is not among the {table.width} columns, counted from 0")
    return column % table.width


def position_of(table: Table, name: str, setting: str) -> int:
    """Return the position of a declared column.

    Raises:
        ValueError: the table has no such column.
    """
    position = _declared(table, name, setting)
    assert position is not None
    return position


def _positions(table: Table, names: tuple[str, ...]) -> list[int]:
    return [position for position, name in enumerate(table.names or ()) if name.lower() in names]


def _by_name(table: Table, names: tuple[str, ...], setting: str, other_role: int | None) -> int | None:
    """Return the only column with one of `names`, or None. The column `other_role` already has another role."""
    matches = [position for position in _positions(table, names) if position != other_role]
    if len(matches) > 1:
        names_of_matches = " and ".join(table.name(position) for position in matches)
        raise ValueError(f"columns {names_of_matches} may each be meant; declare {setting}")
    return matches[0] if matches else None


def _unlike_pixels(table: Table, rest: list[int], image: tuple[int, ...] | None) -> list[int]:
    """Return the few columns without a role whose names differ from those of the pixels by more than numbers."""
    if table.names is None or not rest:
        return []
    stems = {position: re.sub("[0-9]+", "", table.names[position]) for position in rest}
    stem, count = Counter(stems.values()).most_common(1)[0]
    others = [position for position in rest if stems[position] != stem]
    return others if len(others) <= _MOST_OTHERS * count and flat_shape(count, image) else []


def _first_id(table: Table, candidates: list[int]) -> int | None:
    """Return the first column whose values all differ, or None."""
    text = read_text(table, candidates)
    return next((position for position in candidates if text[position].is_unique), None)


def _extras(rest: list[int], least: int, most: int, image: tuple[int, ...] | None) -> int:
    """Return the number of columns without a role that are not pixels. Grey images are preferred to colour images."""
    shapes = {extra: flat_shape(len(rest) - extra, image) for extra in range(least, most + 1)}
    fitting = {extra: shape for extra, shape in shapes.items() if shape is not None}
    if not fitting:
        wish = "x".join(map(str, image)) if image else "a square image; declare image: [height, width]"
        unclear = f", {least} to {most} of them no pixels," if most else ""
        raise ValueError(f"{len(rest)} columns beside id and label{unclear} are not {wish}")
    return min(fitting, key=lambda extra: (fitting[extra][2], extra))


def _label(table: Table, first: int, last: int) -> int:
    """Return the first or the last column: the one with values that are no pixels, or without a constant background.

    Pixels at the corners of images are mostly background.
    """
    text = read_text(table, [first, last])
    columns = {position: pd.to_numeric(text[position], errors="coerce").to_numpy(float) for position in (first, last)}
    no_pixels = [position for position, values in columns.items() if not ((values >= 0) & (values <= 255)).all()]
    labels = no_pixels or [position for position, values in columns.items() if not _is_background(values)]
    if len(labels) == 1:
        other = last if labels[0] == first else first
        if no_pixels or _is_rather_a_label(columns[labels[0]], columns[other]):
            return labels[0]
    raise ValueError(f"columns {table.name(first)} and {table.name(last)} may both be the label; declare label_column")


def _is_rather_a_label(values: np.ndarray, background: np.ndarray) -> bool:
    """Return whether `values` is the label and `background` a pixel.

    The alternative is that `background` is a label that is 0 in most rows, and `values` a pixel of busy images.
    """
    distinct, others = np.unique(values), np.unique(background)
    if len(others) == 1 or len(distinct) <= len(others):
        return True
    # Busy pixels have nearly all of 256 values or, in few images, values far apart. Most labels have neither.
    return len(distinct) < _BUSY_VALUES and _is_gapless(distinct) and not _is_gapless(others)


def _is_gapless(distinct: np.ndarray) -> bool:
    return np.ptp(distinct) == len(distinct) - 1


def _is_background(values: np.ndarray) -> bool:
    return bool(max(np.mean(values == 0), np.mean(values == 255)) >= _BACKGROUND_SHARE)


def _different(table: Table, candidates: list[int]) -> int:
    """Return the column whose values all differ. If both do, return the one that counts up or is not a number."""
    text = read_text(table, candidates)
    fitting = [position for position in candidates if text[position].is_unique]
    if len(fitting) > 1:
        fitting = [position for position in fitting if _counts_up(text[position])]
    if len(fitting) != 1:
        names = " and ".join(table.name(position) for position in candidates)
        raise ValueError(f"column {names} is not clearly the id; declare id_column or label_column")
    return fitting[0]


def _counts_up(column: pd.Series) -> bool:
    values = pd.to_numeric(column, errors="coerce").to_numpy(float)
    return bool(np.isnan(values).all() or (len(values) > 1 and (np.diff(values) == 1).all()))
