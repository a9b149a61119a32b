"""Find what Kaggle would refuse, before the upload."""

import csv
import io

import pandas as pd

from submissions.rules.label_sets import first_bad


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


def check(
    submission: pd.DataFrame, sample: pd.DataFrame, classes: list[int | str], separator: str | None = None
) -> None:
    """Compare a submission, read back from its file, with the sample submission.

    Args:
        submission: text, id and label.
        sample: text, id and label.
        classes: the labels' values.
        separator: between the labels of a set, for tasks with label sets; a set may be empty.

    Raises:
        ValueError: columns, rows, ids or order differ, a value is missing, or a label is no class.
    """
    if list(submission.columns) != list(sample.columns):
        raise ValueError(f"columns {list(submission.columns)}, expected {list(sample.columns)}")
    if len(submission) != len(sample):
        raise ValueError(f"{len(submission)} rows, expected {len(sample)}")
    ids = submission.iloc[:, 0]
    _check_filled(ids)
    differs = ids.to_numpy() != sample.iloc[:, 0].to_numpy()
    if differs.any():
        row = differs.argmax()
        raise ValueError(f"row {row} (counted from 0) is id {ids[row]}, expected {sample.iloc[row, 0]}")
    check_labels(submission, classes, separator)


def check_labels(submission: pd.DataFrame, classes: list[int | str], separator: str | None = None) -> None:
    """Raise ValueError if a label is missing or is no class; see `check`."""
    ids, labels = submission.iloc[:, 0], submission.iloc[:, 1]
    if separator is None:
        _check_filled(labels)
    row = first_bad(labels, classes, separator)
    if row is not None:
        expected = "expected one of" if separator is None else f"expected some, with {separator!r} between them, of"
        raise ValueError(f"id {ids[row]} has label {labels[row]!r}, {expected} {', '.join(map(str, classes))}")


def _check_filled(column: pd.Series) -> None:
    missing = column.isna() | (column == "")
    if missing.any():
        raise ValueError(f"row {missing.argmax()} (counted from 0) has no {column.name}, expected a value")
