"""CSV files of labels that are apart from their images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.config.schema import Split
from pipeline.readers.columns import named_columns
from pipeline.readers.csv_table import Table, column_text, read_text, sniff
from pipeline.readers.raw import tidy, tidy_labels
from pipeline.storage.files import blame


@dataclass(frozen=True)
class LabelTable:
    """The rows of a label file."""

    ids: np.ndarray | None  # (n,) int64 or text; None if the file has no ids
    labels: np.ndarray  # (n,) int64 or text
    columns: pd.DataFrame | None = None  # n texts a column: the named columns other than id and label


def read_labels(path: Path, split: Split) -> LabelTable:
    """Return the ids, labels and other columns of a CSV.

    Raises:
        BadInput: a cell is empty, or it is not clear which column is the label.
    """
    table = sniff(path)
    with blame(path):
        id_, label = _columns(table, split)
        frame = read_text(table)
        ids = None if id_ is None else tidy(column_text(frame, id_), "id")
        labels = tidy_labels(column_text(frame, label), split.label_separator)
        return LabelTable(ids, labels, _other_columns(table, frame, (id_, label)))


def _other_columns(table: Table, frame: pd.DataFrame, roles: tuple[int | None, ...]) -> pd.DataFrame | None:
    positions = [position for position in range(table.width) if position not in roles]
    if table.names is None or not positions:
        return None
    return frame[positions].set_axis([table.names[position] for position in positions], axis=1)


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
