"""Sets of labels in a CSV: names in one cell, with a separator between them."""

from collections.abc import Iterable

import numpy as np


def names_in(cell: str, separator: str) -> list[str]:
    """Return the labels of one cell."""
    return [name.strip() for name in cell.split(separator) if name.strip()]


def indicators(cells: Iterable[str], classes: list[int | str], separator: str) -> np.ndarray:
    """Return which labels each cell names, bool (n, classes). Names that are no class are ignored."""
    sets = [set(names_in(cell, separator)) for cell in cells]
    return np.array([[str(value) in names for value in classes] for names in sets], bool).reshape(-1, len(classes))


def first_bad(cells: Iterable[str], classes: list[int | str], separator: str | None) -> int | None:
    """Return the first row with a label that is no class or occurs twice in its set, or None.

    Without a separator, each cell is one label.
    """
    legal = {str(value) for value in classes}
    for row, cell in enumerate(cells):
        names = [cell] if separator is None else names_in(cell, separator)
        if len(set(names)) < len(names) or not legal.issuperset(names):
            return row
    return None


def right(predicted: np.ndarray, answers: np.ndarray, separator: str | None) -> np.ndarray:
    """Return which cells are right, bool (n,).

    A single label is right if it equals the answer. A set is right if it is not empty and all its labels are true, as
    in report E.
    """
    if separator is None:
        return predicted == answers
    pairs = zip(predicted.tolist(), answers.tolist(), strict=True)
    sets = [
        (set(names_in(predicted_set, separator)), set(names_in(true_set, separator)))
        for predicted_set, true_set in pairs
    ]
    return np.array([bool(predicted_set) and predicted_set <= true_set for predicted_set, true_set in sets], bool)
