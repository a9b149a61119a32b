"""Which column of a table holds what: as declared, by name, then by count; never a guess between equals."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.images.layouts import flat_shape
from pipeline.config.schema import Split
from pipeline.readers.csv_table import ID_NAMES, INDEX_NAMES, LABEL_NAMES, Table, read_text

_BACKGROUND_SHARE = 0.9  # of rows in which a pixel at the corner of the image is black or white
_BUSY_VALUES = 100


@dataclass(frozen=True)
class Columns:
    """Positions of the columns of a table of images."""

    pixels: tuple[int, ...]
    id: int | None
    label: int | None


def named_columns(table: Table, split: Split) -> tuple[int | None, int | None, list[int]]:
    """Return the positions of id and label as declared or named, and those of all other columns.

    Raises:
        ValueError: a declared column is missing, or two columns bear the same role.
    """
    label = _declared(table, split.label_column, "label_column")
    if label is None:
        label = _by_name(table, LABEL_NAMES, "label_column", taken=None)
    id_ = _declared(table, split.id_column, "id_column")
    if id_ is None:
        id_ = _by_name(table, ID_NAMES, "id_column", taken=label)
    indices = [position for position in _positions(table, INDEX_NAMES) if position != label]
    if id_ is None and indices:
        id_ = indices[0]
    return id_, label, [each for each in range(table.width) if each not in (id_, label, *indices)]


def image_columns(table: Table, split: Split, image: tuple[int, ...] | None, labelled: bool) -> Columns:
    """Return the columns of a table of images; `labelled` says that one must be the label.

    Raises:
        ValueError: no reading fits, or two fit equally well; says what to declare.
    """
    id_, label, rest = named_columns(table, split)
    needed = int(labelled and label is None)
    extras = _extras(rest, needed, needed + (id_ is None) + (not labelled and label is None), image)
    if extras == 2:
        id_, rest = _different(table, rest[:1]), rest[1:]
        label = _label(table, rest[0], rest[-1])
    elif extras == 1 and (needed or id_ is not None):
        label = _label(table, rest[0], rest[-1])
    elif extras == 1:
        id_ = _different(table, [rest[0], rest[-1]])
    return Columns(tuple(each for each in rest if each not in (id_, label)), id_, label)


def _declared(table: Table, column: int | str | None, setting: str) -> int | None:
    if column is None:
        return None
    if isinstance(column, str):
        matches = [position for position, name in enumerate(table.names or ()) if name == column]
        if len(matches) != 1:
            listed = ", ".join((table.names or ())[:5]) or "no header"
            raise ValueError(f"{setting} {column!r} is {len(matches)} times in the header ({listed})")
        return matches[0]
    if not -table.width <= column < table.width:
        raise ValueError(f"{setting} {column} is not among the {table.width} columns, counted from 0")
    return column % table.width


def _positions(table: Table, names: tuple[str, ...]) -> list[int]:
    return [position for position, name in enumerate(table.names or ()) if name.lower() in names]


def _by_name(table: Table, names: tuple[str, ...], setting: str, taken: int | None) -> int | None:
    matches = [position for position in _positions(table, names) if position != taken]
    if len(matches) > 1:
        listed = " and ".join(table.name(position) for position in matches)
        raise ValueError(f"columns {listed} may each be meant; declare {setting}")
    return matches[0] if matches else None


def _extras(rest: list[int], least: int, most: int, image: tuple[int, ...] | None) -> int:
    """Return how many of the nameless columns are no pixels; a grey reading goes before a colour one."""
    shapes = {extra: flat_shape(len(rest) - extra, image) for extra in range(least, most + 1)}
    fitting = {extra: shape for extra, shape in shapes.items() if shape is not None}
    if not fitting:
        wish = "x".join(map(str, image)) if image else "a square image; declare image: [height, width]"
        unclear = f", {least} to {most} of them no pixels," if most else ""
        raise ValueError(f"{len(rest)} columns beside id and label{unclear} are not {wish}")
    return min(fitting, key=lambda extra: (fitting[extra][2], extra))


def _label(table: Table, first: int, last: int) -> int:
    """Return the first or the last column, whichever is no pixel, or is not the background that most corners show."""
    text = read_text(table, [first, last])
    columns = {each: pd.to_numeric(text[each], errors="coerce").to_numpy(float) for each in (first, last)}
    no_pixels = [each for each, values in columns.items() if not ((values >= 0) & (values <= 255)).all()]
    labels = no_pixels or [each for each, values in columns.items() if not _is_background(values)]
    if len(labels) == 1:
        other = last if labels[0] == first else first
        if no_pixels or _is_rather_a_label(columns[labels[0]], columns[other]):
            return labels[0]
    raise ValueError(f"columns {table.name(first)} and {table.name(last)} may both be the label; declare label_column")


def _is_rather_a_label(values: np.ndarray, background: np.ndarray) -> bool:
    """Say whether `background` cannot be a label of which most rows are 0, with `values` a pixel of busy images."""
    distinct, others = np.unique(values), np.unique(background)
    if len(others) == 1 or len(distinct) <= len(others):
        return True
    # Busy pixels take nearly all of 256 values or, in few images, values far apart; labels mostly do neither.
    return len(distinct) < _BUSY_VALUES and _is_gapless(distinct) and not _is_gapless(others)


def _is_gapless(distinct: np.ndarray) -> bool:
    return np.ptp(distinct) == len(distinct) - 1


def _is_background(values: np.ndarray) -> bool:
    return bool(max(np.mean(values == 0), np.mean(values == 255)) >= _BACKGROUND_SHARE)


def _different(table: Table, candidates: list[int]) -> int:
    """Return the column whose values all differ; of two, the one that counts up or is no number."""
    text = read_text(table, candidates)
    fitting = [each for each in candidates if text[each].is_unique]
    if len(fitting) > 1:
        fitting = [each for each in fitting if _counts_up(text[each])]
    if len(fitting) != 1:
        listed = " and ".join(table.name(each) for each in candidates)
        raise ValueError(f"column {listed} is not clearly the id; declare id_column or label_column")
    return fitting[0]


def _counts_up(column: pd.Series) -> bool:
    values = pd.to_numeric(column, errors="coerce").to_numpy(float)
    return bool(np.isnan(values).all() or (len(values) > 1 and (np.diff(values) == 1).all()))
