"""Test whether one submission is better than another, or only lucky."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

SIGNIFICANT = 0.05


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
