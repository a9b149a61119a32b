"""The result of reading a label file."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

SET_SEPARATOR = "\x1f"  # between the labels of a set that did not come as one text


@dataclass(frozen=True)
class LabelTable:
    """The rows of a label file. What the file does not contain is None."""

    ids: np.ndarray | None  # (n,) int64 or text
    labels: np.ndarray | None  # (n,) int64 or text
    columns: pd.DataFrame | None = None  # n texts a column: the named columns other than id and label
    files: np.ndarray | None = None  # (n,) text: the names of the image files, if they differ from the ids
    id_name: str | None = None  # of the column of ids
    classes: tuple[str, ...] | None = None  # if a column for each class shows them
    separator: str | None = None  # between the labels of a set
