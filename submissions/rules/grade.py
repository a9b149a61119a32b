"""Grade a submission as Kaggle would: by the competition's metric, on the public and on the private rows."""

from typing import Any

import numpy as np

from features.labels.metrics.metric import Metric
from features.labels.uncertainty import score_with_interval

USAGES = ("Public", "Private", "Ignored")  # Kaggle's terms


def grade(
    predictions: np.ndarray, labels: np.ndarray, usage: np.ndarray | None, metric: Metric
) -> dict[str, dict[str, Any]]:
    """Return the score, its 95 % interval and the number of rows for `public`, `private` and `all` rows.

    Each part has `score`, `low`, `high` and `rows`. If a part has no rows, the first three are None.

    Args:
        predictions: of n rows, in the form that the metric judges, see `answers.predictions_of`.
        labels: the answers, in the same order, see `answers.answers_of`.
        usage: Public, Private or Ignored (n,). By default all rows are private.
        metric: of the competition, see `graded_metric`.

    Raises:
        ValueError: a usage is none of USAGES.
    """
    usage = np.full(len(labels), "Private") if usage is None else usage
    unknown = ~np.isin(usage, USAGES)
    if unknown.any():
        raise ValueError(f"Usage {str(usage[unknown][0])!r} is unknown; known are {', '.join(USAGES)}")
    parts = {"public": usage == "Public", "private": usage == "Private", "all": usage != "Ignored"}
    return {part: _score(predictions[rows], labels[rows], metric) for part, rows in parts.items()}


def _score(predictions: np.ndarray, labels: np.ndarray, metric: Metric) -> dict[str, Any]:
    if not len(labels):
        return {"score": None, "low": None, "high": None, "rows": 0}
    return {**score_with_interval(metric, predictions, labels), "rows": len(labels)}
