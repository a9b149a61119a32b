"""How certain a score and a difference of two scores are: a formula for shares, a bootstrap for all other metrics."""

from collections.abc import Iterator

import numpy as np

from features.labels.intervals import bounds
from features.labels.metrics.metric import Metric

RESAMPLES = 200  # of rows, each with a new score
COUNT_RESAMPLES = 10_000  # of counts, which cost nothing
QUANTILES = [0.025, 0.975]


def score_with_interval(metric: Metric, predictions: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return `score`, `low` and `high`: the score of predictions with its 95 % interval.

    It is Wilson's interval if the score is a share of right rows, else that of a bootstrap (Efron, "Bootstrap methods:
    another look at the jackknife", 1979). A bootstrap of rows without any error has no width; then it is Wilson's for a
    share of as many rows.

    Args:
        metric: the metric.
        predictions: of n rows, in the form that the metric judges.
        labels: of the same rows.
    """
    score = metric.of(predictions, labels)
    if metric.hits is not None:
        return {"score": score, **bounds(score, len(labels))}
    scores = [metric.of(predictions[rows], labels[rows]) for rows in _resamples(len(labels), 0)]
    low, high = np.quantile(scores, QUANTILES).tolist()
    if low == high and score in (0, 1) and metric.higher_is_better:
        return {"score": score, **bounds(score, len(labels))}
    return {"score": score, "low": min(low, score), "high": max(high, score)}


def gain_interval(right: np.ndarray, than: np.ndarray, seed: int) -> dict[str, float]:
    """Return the difference of the shares of right rows, with the 95 % interval of a paired bootstrap.

    Pairs of rows are resampled. Only the number of differences in either direction matters, so counts are drawn instead
    of rows.

    Args:
        right: bool (n,), whether the first prediction is right.
        than: bool (n,), the same for the second prediction.
        seed: of the bootstrap.
    """
    difference = right.astype(int) - than
    shares = [(difference == sign).mean() for sign in (-1, 0, 1)]
    counts = np.random.default_rng(seed).multinomial(len(right), shares, size=COUNT_RESAMPLES)
    low, high = np.quantile((counts[:, 2] - counts[:, 0]) / len(right), QUANTILES)
    return {"gain": float(difference.mean()), "low": float(low), "high": float(high)}


def paired_gain(
    metric: Metric, first: np.ndarray, second: np.ndarray, labels: np.ndarray, seed: int, resamples: int = RESAMPLES
) -> dict[str, float]:
    """Return by how much the first predictions are better, with the 95 % interval of a paired bootstrap."""
    if metric.hits is not None:
        return gain_interval(metric.right(first, labels), metric.right(second, labels), seed)
    gain = metric.gain(metric.of(first, labels), metric.of(second, labels))
    return around(gain, resampled_gains(metric, first, second, labels, seed, resamples))


def around(gain: float, gains: np.ndarray) -> dict[str, float]:
    """Return a gain with its 95 % interval, from resampled gains (resamples,)."""
    low, high = np.quantile(gains, QUANTILES).tolist()
    return {"gain": gain, "low": min(low, gain), "high": max(high, gain)}


def resampled_gains(
    metric: Metric, first: np.ndarray, second: np.ndarray, labels: np.ndarray, seed: int, resamples: int = RESAMPLES
) -> np.ndarray:
    """Return by how much the first predictions are better (resamples,) on rows drawn with replacement."""
    return np.array(
        [
            metric.gain(metric.of(first[rows], labels[rows]), metric.of(second[rows], labels[rows]))
            for rows in _resamples(len(labels), seed, resamples)
        ]
    )


def _resamples(rows: int, seed: int, count: int = RESAMPLES) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    return (rng.integers(rows, size=rows) for _ in range(count))
