"""Build a submission from probabilities, in the format of the sample submission."""

import numpy as np
import pandas as pd


def build(
    sample: pd.DataFrame,
    probabilities: np.ndarray,
    classes: list[int | str],
    label_sets: np.ndarray | None = None,
    separator: str = "",
) -> pd.DataFrame:
    """Return the sample with each row's label replaced by the most probable class, or by a set of labels.

    Args:
        sample: text, two columns, id and label; names, ids and order of the rows are kept.
        probabilities: float (rows, classes), in the order of the sample.
        classes: the labels' values, one for each column.
        label_sets: for tasks with label sets, whether a label is in the row's set, bool (rows, classes).
        separator: between the labels of a set.

    Raises:
        ValueError: the sample has no rows or not two columns, or the probabilities are not finite or of another shape.
    """
    if sample.shape[1] != 2:
        listed = ", ".join(map(str, sample.columns[:5]))
        raise ValueError(f"{sample.shape[1]} columns ({listed}), expected two, the id and the label")
    if sample.empty:
        raise ValueError("no rows below the header, expected one for each test image")
    if probabilities.shape != (len(sample), len(classes)):
        raise ValueError(f"probabilities of shape {probabilities.shape}, expected {(len(sample), len(classes))}")
    not_finite = ~np.isfinite(probabilities).all(axis=1)
    if not_finite.any():
        raise ValueError(f"a probability of id {sample.iloc[not_finite.argmax(), 0]} is not a finite number")
    names = np.array([str(value) for value in classes], object)
    most_probable = names[probabilities.argmax(axis=1)]
    labels = most_probable if label_sets is None else [separator.join(names[row]) for row in label_sets]
    return sample.assign(**{sample.columns[1]: labels})
