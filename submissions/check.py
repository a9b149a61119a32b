"""What Kaggle would refuse, found before the upload."""

import pandas as pd


def check(submission: pd.DataFrame, sample: pd.DataFrame, classes: list[int | str]) -> None:
    """Compare a submission, as it was read back from its file, with the sample submission.

    Args:
        submission: text, id and label.
        sample: text, id and label.
        classes: the labels' own values.

    Raises:
        ValueError: other columns, rows, ids or order, a missing value, or a label that is no class.
    """
    if list(submission.columns) != list(sample.columns):
        raise ValueError(f"columns {list(submission.columns)}, expected {list(sample.columns)}")
    if len(submission) != len(sample):
        raise ValueError(f"{len(submission)} rows, expected {len(sample)}")
    ids, labels = submission.iloc[:, 0], submission.iloc[:, 1]
    for column in (ids, labels):
        missing = column.isna() | (column == "")
        if missing.any():
            raise ValueError(f"row {missing.argmax()} (counted from 0) has no {column.name}, expected a value")
    differs = ids.to_numpy() != sample.iloc[:, 0].to_numpy()
    if differs.any():
        row = differs.argmax()
        raise ValueError(f"row {row} (counted from 0) is id {ids[row]}, expected {sample.iloc[row, 0]}")
    legal = [str(value) for value in classes]
    unknown = ~labels.isin(legal)
    if unknown.any():
        row = unknown.argmax()
        raise ValueError(f"id {ids[row]} has label {labels[row]!r}, expected one of {', '.join(legal)}")
