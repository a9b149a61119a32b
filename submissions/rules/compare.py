"""Test whether one submission is better than another, or only lucky."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from features.labels.metrics.metric import Metric
from features.labels.uncertainty import around, gain_interval, resampled_gains

SIGNIFICANT = 0.05
RESAMPLES, SEED = 500, 0


@dataclass(frozen=True)
class Comparison:
    """Two submissions on the same rows."""

    only_first: int  # rows that only the first has right
    only_second: int
    rows: int
    p_value: float  # probability of a difference at least this large if both are equally good

    @property
    def within_noise(self) -> bool:
        """Whether equally good submissions often differ this much."""
        return self.p_value >= SIGNIFICANT

    @property
    def difference(self) -> float:
        """Return the accuracy of the first minus that of the second."""
        return (self.only_first - self.only_second) / self.rows


def compare(first: np.ndarray, second: np.ndarray) -> Comparison:
    """Return McNemar's exact test (McNemar 1947; binomial form) of two submissions.

    Args:
        first: bool (n,), whether the first submission has the row right.
        second: bool (n,), the same for the second, in the same order.

    Raises:
        ValueError: the lengths differ, or there are no rows.
    """
    if first.shape != second.shape or not first.size:
        raise ValueError(f"{first.shape} and {second.shape} rows, expected the same and at least one")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    disagreements = only_first + only_second
    p_value = float(binomtest(only_first, disagreements, 0.5).pvalue) if disagreements else 1.0
    return Comparison(only_first, only_second, first.size, p_value)


def bootstrap_p_value(gains: np.ndarray) -> float:
    """Return the probability of a gain at least this large if there is none, from resampled gains (resamples,).

    It is twice the share of gains on the other side of zero (a two-sided percentile bootstrap).
    """
    least = min((gains <= 0).mean(), (gains >= 0).mean())
    return float(min(1.0, 2 * max(least, 1 / len(gains))))


def paired_test(metric: Metric, first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return `gain`, by how much the first predictions are better, its 95 % interval `low`, `high`, and `p_value`.

    The interval is that of a paired bootstrap. The p-value is that of McNemar's exact test if the metric is a share of
    right rows, else that of the same bootstrap. See `comparison_line` for the arguments.
    """
    if metric.hits is not None:
        right = metric.right(first, labels), metric.right(second, labels)
        return gain_interval(*right, SEED) | {"p_value": compare(*right).p_value}
    gain = metric.gain(metric.of(first, labels), metric.of(second, labels))
    gains = resampled_gains(metric, first, second, labels, SEED, RESAMPLES)
    return around(gain, gains) | {"p_value": bootstrap_p_value(gains)}


def comparison_line(metric: Metric, first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> str:
    """Return one line about two submissions, with the field `{other}` for the name of the second.

    If the metric is a share of right rows, the test is McNemar's, else a paired bootstrap.

    Args:
        metric: of the competition.
        first: predictions of n rows, in the form that the metric judges.
        second: the same of the other submission.
        labels: the answers.

    Raises:
        ValueError: there are no rows.
    """
    if metric.hits is not None:
        result = compare(metric.right(first, labels), metric.right(second, labels))
        difference, p_value = result.difference, result.p_value
        test = (
            f"{result.only_first} that only it has right, {result.only_second} only the other; exact McNemar test "
            f"p = {p_value:.2g}"
        )
    else:
        if not len(labels):
            raise ValueError("no rows count, expected at least one")
        difference = metric.of(first, labels) - metric.of(second, labels)
        p_value = paired_test(metric, first, second, labels)["p_value"]
        better = "higher" if metric.higher_is_better else "lower"
        test = f"{metric.name}, {better} is better; paired bootstrap p = {p_value:.2g}"
    verdict = "within noise" if p_value >= SIGNIFICANT else "more than noise"
    return f"{difference:+.4f} from {{other}}, on {len(labels)} rows, public and private: {test}, {verdict}"
