"""The columns of a label file or a test file other than id and label, such as patient or date: one CSV a split."""

import fnmatch
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.config.errors import quote
from pipeline.storage import paths
from pipeline.storage.files import BadInput, align, reading

ANSWER = "answer id"  # the column that names the answer of an image, where several images have one answer
_ROW_ID = "row id"


def save_columns(path: Path, ids: np.ndarray, columns: pd.DataFrame) -> None:
    """Write texts (n rows) with the ids (n,) of their rows."""
    columns.set_axis(pd.Index(ids, name=_ROW_ID)).to_csv(path, lineterminator="\n")


def load_answers(task: str, split: str, ids: np.ndarray) -> np.ndarray | None:
    """Return the id (n,) text of the answer to which each row belongs, or None if each row has its own."""
    path = _path(task, split)
    return load_column(task, split, ANSWER, ids) if path.exists() and ANSWER in _header(path) else None


def load_column(task: str, split: str, name: str, ids: np.ndarray) -> np.ndarray:
    """Return a column (n,) of texts that `ingest` kept for `train` or `test`, in the order of `ids`.

    Raises:
        BadInput: the raw files have no such column.
    """
    path = _path(task, split)
    if not path.exists():
        raise BadInput(f"{path}: missing, so no column {quote(name)} of {split}; ingest keeps those of a label file")
    header = _header(path)
    if name not in header:
        raise BadInput(f"{path}: no column {quote(name)}; the columns are {', '.join(map(quote, header[:6]))}")
    with reading(path, "a CSV of columns"):
        table = pd.read_csv(path, usecols=[_ROW_ID, name], dtype=str, keep_default_na=False)
        return table[name].to_numpy(object)[align(ids.astype(str), table[_ROW_ID].to_numpy(str))]


def load_table(task: str, split: str, patterns: Sequence[str], ids: np.ndarray) -> pd.DataFrame:
    """Return the columns (n rows of texts) that match the patterns, in the order of `ids`. `*` stands for any text.

    Raises:
        BadInput: the raw files have no such column.
    """
    path = _path(task, split)
    names = [name for name in _header(path) if name != ANSWER] if path.exists() else []
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            known = ", ".join(map(quote, names[:6])) or "none"
            raise BadInput(f"{path}: no column {quote(pattern)}, which prepare.columns names; its columns are {known}")
    used_names = [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
    with reading(path, "a CSV of columns"):
        table = pd.read_csv(path, usecols=[_ROW_ID, *used_names], dtype=str, keep_default_na=False)
        return table[used_names].iloc[align(ids.astype(str), table[_ROW_ID].to_numpy(str))]


def _path(task: str, split: str) -> Path:
    return paths.arrays(task) / f"{split}_columns.csv"


def _header(path: Path) -> list[str]:
    with reading(path, "a CSV of columns"):
        return pd.read_csv(path, nrows=0).columns.tolist()[1:]
