"""Grade a submission as Kaggle would: accuracy on the public and on the private rows."""

import numpy as np
import pandas as pd

from features.labels.intervals import bounds
from submissions.rules.label_sets import first_bad, right

USAGES = ("Public", "Private", "Ignored")  # Kaggle's terms


def grade(predicted: np.ndarray, answers: np.ndarray, usage: np.ndarray | None, separator: str | None = None) -> dict:
    """Return accuracy, its 95 % interval and the number of rows for `public`, `private` and `all` rows.

    Each part has `score`, `low`, `high` and `rows`. If a part has no rows, the first three are None.

    Args:
        predicted: labels (n,) as text.
        answers: labels (n,) as text, in the same order.
        usage: Public, Private or Ignored (n,). By default all rows are private.
        separator: between the labels of a set, for tasks with label sets; see `label_sets.right`.

    Raises:
        ValueError: a usage is none of USAGES.
    """
    usage = np.full(len(answers), "Private") if usage is None else usage
    unknown = ~np.isin(usage, USAGES)
    if unknown.any():
        raise ValueError(f"Usage {str(usage[unknown][0])!r} is unknown; known are {', '.join(USAGES)}")
    hits = right(predicted, answers, separator)
    return {
        "public": _accuracy(hits[usage == "Public"]),
        "private": _accuracy(hits[usage == "Private"]),
        "all": _accuracy(hits[usage != "Ignored"]),
    }


def check_answers(
    solution: pd.DataFrame, label_column: str, classes: list[int | str], separator: str | None = None
) -> None:
    """Raise ValueError if an answer is none of the classes, because no submission could match it."""
    row = first_bad(solution[label_column], classes, separator)
    if row is not None:
        raise ValueError(
            f"row {row} (counted from 0) has {label_column} {solution[label_column][row]!r}, "
            f"expected one of {', '.join(map(str, classes))}"
        )


def _accuracy(hits: np.ndarray) -> dict:
    if not len(hits):
        return {"score": None, "low": None, "high": None, "rows": 0}
    score = float(hits.mean())
    return {"score": score, **bounds(score, len(hits)), "rows": len(hits)}
