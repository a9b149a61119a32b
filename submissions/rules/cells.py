"""The cells of a submission: labels and numbers as texts."""

import re
from collections.abc import Iterable

import numpy as np

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
MOST_LISTED = 5


def is_number(cell: str) -> bool:
    """Return whether a cell is a finite decimal number."""
    return _NUMBER.fullmatch(cell.strip()) is not None


def number_texts(values: np.ndarray) -> list[str]:
    """Return numbers (n,) as texts with nine digits, as many as float32 has. Whole numbers have no point."""
    return [f"{value:.9g}" for value in values.tolist()]


def numbers_in(cells: Iterable[str], name: str) -> np.ndarray:
    """Return the numbers (n,) float64 of a column.

    Raises:
        ValueError: a cell is no number.
    """
    texts = list(cells)
    for row, text in enumerate(texts):
        if not is_number(text):
            raise ValueError(f"row {row} (counted from 0) has {name} {text!r}, expected a number")
    return np.array(texts, float)


def names_in(cell: str, separator: str) -> list[str]:
    """Return the labels of one cell."""
    return [name.strip() for name in cell.split(separator) if name.strip()]


def label_sets_in(cells: Iterable[str], classes: Iterable[int | str], separator: str) -> np.ndarray:
    """Return which labels each cell names, bool (n, classes). Names that are no class are ignored."""
    index_of = {str(value): index for index, value in enumerate(classes)}
    sets = [names_in(cell, separator) for cell in cells]
    indicators = np.zeros((len(sets), len(index_of)), bool)
    for row, names in enumerate(sets):
        indicators[row, [index_of[name] for name in names if name in index_of]] = True
    return indicators


def first_bad(cells: Iterable[str], classes: Iterable[int | str], separator: str | None, most: int = 0) -> int | None:
    """Return the first row with a label that is no class or occurs twice in its cell, or None.

    Without a separator, each cell is one label. With `most`, a cell has at least one label and at most that many.
    """
    legal = {str(value) for value in classes}
    for row, cell in enumerate(cells):
        names = [cell] if separator is None else names_in(cell, separator)
        if len(set(names)) < len(names) or not legal.issuperset(names) or (most and not 1 <= len(names) <= most):
            return row
    return None


def shortened(names: Iterable[int | str], most: int = MOST_LISTED) -> str:
    """Return the first names, for a sentence."""
    texts = list(map(str, names))
    return ", ".join(texts[:most]) + (", ..." if len(texts) > most > 1 else "")
