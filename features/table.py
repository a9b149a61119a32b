"""Columns of a table beside the images: texts to numbers, where a category is the number of its text."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

MISSING = ("", "na", "n/a", "nan", "null", "none", "?")  # in any case
MOST_CATEGORIES = 1000


@dataclass(frozen=True)
class Table:
    """Columns of training and test rows as numbers. NaN is a missing value, or a text that no training row has."""

    names: list[str]
    categories: list[list[str]]  # of each column: the texts of the numbers 0, 1, ...; empty for a column of numbers
    train: np.ndarray  # float32 (n, columns)
    test: np.ndarray  # float32 (m, columns)


def read_table(train: pd.DataFrame, test: pd.DataFrame) -> Table:
    """Return the table of two frames of texts with the same columns.

    A column has numbers if each value of a training row that is not missing is one. Else its texts are categories.

    Raises:
        ValueError: a column has no value, or more than MOST_CATEGORIES texts.
    """
    categories, columns = [], []
    for name in train:
        known, kinds = _known(train[name]), []
        if known.isna().all():
            raise ValueError(f"column {name!r} has no value in train")
        if _numbers(known).isna().sum() > known.isna().sum():
            kinds = sorted(known.dropna().unique())
            if len(kinds) > MOST_CATEGORIES:
                raise ValueError(
                    f"column {name!r} has {len(kinds)} different texts, such as {kinds[0]!r}, expected numbers or at "
                    f"most {MOST_CATEGORIES}"
                )
        categories.append(kinds)
        columns.append([_values(_known(frame[name]), kinds) for frame in (train, test)])
    first, second = (np.stack(values, axis=1) for values in zip(*columns, strict=True))
    return Table(list(train), categories, first, second)


def _known(texts: pd.Series) -> pd.Series:
    """Return the texts without spaces around them, and NaN for those that are missing."""
    texts = texts.str.strip()
    return texts.mask(texts.str.lower().isin(MISSING))


def _numbers(texts: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(texts, errors="coerce")
    return numbers.where(np.isfinite(numbers))


def _values(texts: pd.Series, kinds: list[str]) -> np.ndarray:
    """Return a column as float32 (n,)."""
    if not kinds:
        return _numbers(texts).to_numpy(np.float32)
    codes = pd.Categorical(texts, categories=kinds).codes
    return np.where(codes < 0, np.nan, codes).astype(np.float32)
