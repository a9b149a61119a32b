"""Find what Kaggle would refuse, before the upload."""

import csv
import io

import pandas as pd

from submissions.rules.cells import first_bad, is_number
from submissions.rules.forms import COLUMNS, LABEL, LABEL_SET, PROBABILITY, TOP_K, Form


def parse(data: bytes) -> pd.DataFrame:
    """Return a submission as text from the bytes of its file. The CSV is read strictly, as Kaggle might.

    Raises:
        ValueError: the bytes are not UTF-8 or no CSV, or a row has another length than the header.
    """
    try:
        rows = list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))
    except UnicodeDecodeError:
        raise ValueError("no UTF-8 text, expected a plain CSV, not a compressed one") from None
    except csv.Error as error:
        raise ValueError(f"not readable as CSV ({error})") from None
    while rows and not rows[-1]:
        rows.pop()
    if not rows:
        raise ValueError("the file is empty")
    header, *rows = rows
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f"row {number} (counted from 0) has {len(row)} values, expected {len(header)}")
    return pd.DataFrame(rows, columns=header, dtype=str)


def check(submission: pd.DataFrame, sample: pd.DataFrame, form: Form) -> None:
    """Compare a submission, read back from its file, with the sample submission.

    Cells that equal the sample's are legal, because Kaggle accepts its own sample.

    Args:
        submission: as texts.
        sample: as texts.
        form: of the sample.

    Raises:
        ValueError: columns, rows, ids or order differ, a value is missing, a label is no class, or a number is none or
            not within 0..1.
    """
    if list(submission.columns) != list(sample.columns):
        raise ValueError(f"columns {list(submission.columns)}, expected {list(sample.columns)}")
    if len(submission) != len(sample):
        raise ValueError(f"{len(submission)} rows, expected {len(sample)}")
    ids = submission[form.id_column]
    _check_filled(ids)
    differs = ids.to_numpy() != sample[form.id_column].to_numpy()
    if differs.any():
        row = differs.argmax()
        raise ValueError(f"row {row} (counted from 0) is id {ids[row]}, expected {sample[form.id_column][row]}")
    for name in form.columns:
        changed = submission[name].to_numpy() != sample[name].to_numpy()
        _check_column(submission[changed], form, name)


def check_cells(submission: pd.DataFrame, form: Form) -> None:
    """Raise ValueError if a cell is missing or not legal; see `check`."""
    for name in form.columns:
        _check_column(submission, form, name)


def _check_column(submission: pd.DataFrame, form: Form, name: str) -> None:
    ids, cells = submission[form.id_column], submission[name]
    if form.kind != LABEL_SET:
        _check_filled(cells)
    if form.kind in (PROBABILITY, COLUMNS):
        for id_, cell in zip(ids, cells, strict=True):
            if not is_number(cell) or not 0 <= float(cell) <= 1:
                raise ValueError(f"id {id_} has {name} {cell!r}, expected a number within 0..1")
        return
    separator = None if form.kind == LABEL else form.separator
    row = first_bad(cells, form.classes, separator, form.k if form.kind == TOP_K else 0)
    if row is not None:
        count = f"up to {form.k}" if form.kind == TOP_K else "some"
        expected = "one of" if separator is None else f"{count}, with {separator!r} between them, of"
        legal = ", ".join(map(str, form.classes))
        raise ValueError(f"id {ids.iloc[row]} has label {cells.iloc[row]!r}, expected {expected} {legal}")


def _check_filled(column: pd.Series) -> None:
    missing = column.isna() | (column == "")
    if missing.any():
        raise ValueError(f"row {missing.idxmax()} (counted from 0) has no {column.name}, expected a value")
