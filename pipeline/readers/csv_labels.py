"""CSV files of labels that are apart from their images."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.config.errors import quote
from pipeline.config.schema import Split
from pipeline.readers.columns import named_columns, position_of
from pipeline.readers.csv_table import Table, column_text, named_texts, read_text, sniff
from pipeline.readers.label_table import SET_SEPARATOR, LabelTable
from pipeline.readers.raw import tidy, tidy_labels
from pipeline.storage.files import blame


def read_labels(path: Path, split: Split, sample_columns: tuple[str, ...] = ()) -> LabelTable:
    """Return the ids, labels and other columns of a CSV.

    Columns with the names of the sample submission's columns have their roles, unless others are declared. If several
    columns of 0 and 1 are the labels, exactly one 1 in each row means one label, and anything else label sets.

    Raises:
        BadInput: a cell is empty, or it is not clear which column is the label.
    """
    table = sniff(path)
    with blame(path):
        split = _as_in_sample(split, table.names or (), sample_columns)
        frame = read_text(table)
        if split.label_columns is not None:
            return _read_indicators(table, frame, split)
        id_, label = _columns(table, split)
        ids = None if id_ is None else tidy(column_text(frame, id_), "id")
        labels = tidy_labels(column_text(frame, label), split.label_separator)
        columns = _other_columns(table, frame, (id_, label))
        return LabelTable(ids, labels, columns, id_name=_name(table, id_), separator=split.label_separator)


def read_rows(path: Path, split: Split, sample_columns: tuple[str, ...]) -> LabelTable:
    """Return the ids and other columns of a CSV that describes test images.

    Raises:
        BadInput: an id is empty, or it is not clear which column is the id.
    """
    table = sniff(path)
    with blame(path):
        split = _as_in_sample(split, table.names or (), sample_columns[:1])
        id_, label, rest = named_columns(table, split)
        id_ = rest[0] if id_ is None and len(rest) == 1 else id_
        if id_ is None:
            raise ValueError(f"{table.width} columns and none called id or image; declare id_column")
        frame = read_text(table)
        ids = tidy(column_text(frame, id_), "id")
        return LabelTable(ids, None, _other_columns(table, frame, (id_, label)), id_name=_name(table, id_))


def _as_in_sample(split: Split, names: tuple[str, ...], sample_columns: tuple[str, ...]) -> Split:
    """Return the split's settings, where columns with the sample's names have the roles that are not declared."""
    changes: dict[str, object] = {}
    if not sample_columns:
        return split
    id_name, *label_names = sample_columns
    if split.id_column is None and id_name in names and id_name != split.label_column:
        changes["id_column"] = id_name
    if split.label_column is None and split.label_columns is None and label_names and set(label_names) <= set(names):
        changes |= {"label_column": label_names[0]} if len(label_names) == 1 else {"label_columns": tuple(label_names)}
    return split.model_copy(update=changes)


def _read_indicators(table: Table, frame: pd.DataFrame, split: Split) -> LabelTable:
    names = split.label_columns or ()
    positions = [position_of(table, name, "label_columns") for name in names]
    id_, _, rest = named_columns(table, split.model_copy(update={"label_column": names[0]}))
    rest = [position for position in rest if position not in positions]
    id_ = rest[0] if id_ is None and len(rest) == 1 else id_
    cells = frame[positions].apply(lambda column: pd.to_numeric(column, errors="coerce")).to_numpy(float)
    if not np.isin(cells, (0, 1)).all():
        row, column = np.argwhere(~np.isin(cells, (0, 1)))[0]
        cell = frame[positions[column]].iloc[row]
        raise ValueError(f"column {quote(names[column])} of label_columns has {quote(cell)}, expected 0 or 1")
    is_one_label = bool((cells.sum(axis=1) == 1).all())
    texts = [SET_SEPARATOR.join(np.array(names)[row > 0]) for row in cells]
    return LabelTable(
        None if id_ is None else tidy(column_text(frame, id_), "id"),
        np.array(texts, np.str_),
        _other_columns(table, frame, (id_, *positions)),
        id_name=_name(table, id_),
        classes=names,
        separator=None if is_one_label else SET_SEPARATOR,
    )


def _name(table: Table, position: int | None) -> str | None:
    return None if position is None or table.names is None else table.names[position]


def _other_columns(table: Table, frame: pd.DataFrame, roles: tuple[int | None, ...]) -> pd.DataFrame | None:
    return named_texts(table, [frame[[position for position in range(table.width) if position not in roles]]])


def _columns(table: Table, split: Split) -> tuple[int | None, int]:
    id_, label, rest = named_columns(table, split)
    if label is None and len(rest) == 2 and id_ is None:
        return rest[0], rest[1]
    if label is None and len(rest) == 1:
        return id_, rest[0]
    if label is None:
        raise ValueError(f"{table.width} columns and none called label or class; declare label_column")
    if id_ is None and len(rest) == 1:
        return rest[0], label
    return id_, label
