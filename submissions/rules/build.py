"""A submission from probabilities, in the form of the sample submission."""

import numpy as np
import pandas as pd


def build(
    sample: pd.DataFrame,
    probabilities: np.ndarray,
    classes: list[int | str],
    chosen: np.ndarray | None = None,
    separator: str = "",
) -> pd.DataFrame:
    """Return the sample with its labels replaced by the most probable class of each row, or by label sets.

    Args:
        sample: text, two columns, id and label; names, ids and order of the rows are kept.
        probabilities: float (rows, classes), in the order of the sample.
        classes: the labels' own values, one a column.
        chosen: of label sets which labels are in them, bool (rows, classes).
        separator: between the labels of a set.

    Raises:
        ValueError: another number of columns, no rows, or probabilities of another shape or not finite.
    """
    if sample.shape[1] != 2:
        listed = ", ".join(map(str, sample.columns[:5]))
        raise ValueError(f"{sample.shape[1]} columns ({listed}), expected two, the id and the label")
    if sample.empty:
        raise ValueError("no rows below the header, expected one for each test image")
    if probabilities.shape != (len(sample), len(classes)):
        raise ValueError(f"probabilities of shape {probabilities.shape}, expected {(len(sample), len(classes))}")
    wild = ~np.isfinite(probabilities).all(axis=1)
    if wild.any():
        raise ValueError(f"a probability of id {sample.iloc[wild.argmax(), 0]} is not a finite number")
    names = np.array([str(value) for value in classes], object)
    most_probable = names[probabilities.argmax(axis=1)]
    labels = most_probable if chosen is None else [separator.join(names[row]) for row in chosen]
    return sample.assign(**{sample.columns[1]: labels})
