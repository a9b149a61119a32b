"""Decisions: how the probabilities of a row become what a metric judges, such as a class, a label set or a ranking."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.labels.metrics.kappa import expected_values
from features.labels.thresholds import choose

CHUNK_VALUES = 1 << 24  # probabilities that are ranked at once


@dataclass(frozen=True)
class Decision:
    """A rule with its fitted values."""

    rule: str  # one of RULES
    values: tuple[float, ...] = ()

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the decisions for probabilities (n, classes), see RULES."""
        return RULES[self.rule](probabilities, np.array(self.values))

    def as_json(self) -> dict[str, Any]:
        """Return the decision as plain values; `Decision(**values)` with a tuple is the reverse."""
        return {"rule": self.rule, "values": list(self.values)}


def _most_probable(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (probabilities * weights if len(weights) else probabilities).argmax(axis=1)


def _by_cut_points(probabilities: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    return np.searchsorted(cuts, expected_values(probabilities), side="right")


def _present_or_absent(probabilities: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    present = probabilities[:, 1] >= threshold[0]
    return np.stack([~present, present], axis=1).astype(np.float64)


def _ranked(probabilities: np.ndarray, size: np.ndarray) -> np.ndarray:
    k = min(int(size[0]), probabilities.shape[1])
    rows = max(1, CHUNK_VALUES // probabilities.shape[1])
    parts = [_best(probabilities[start : start + rows], k) for start in range(0, len(probabilities), rows)]
    return np.concatenate([np.empty((0, k), int), *parts])


def _best(probabilities: np.ndarray, k: int) -> np.ndarray:
    """Return the k most probable classes (n, k), best first. Of equal ones the first comes first."""
    if probabilities.shape[1] > 50 * k:  # sorting all classes would be slow
        least = np.partition(probabilities, -k, axis=1)[:, -k, None]
        probabilities = np.where(probabilities >= least, probabilities, -1)
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :k]


RULES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "probabilities": lambda probabilities, _: probabilities,  # (n, classes), unchanged
    "most_probable": _most_probable,  # class indices (n,), after a multiplication with weights of the classes
    "cut_points": _by_cut_points,  # class indices (n,) between cut points of the expected class index
    "thresholds": lambda probabilities, values: choose(probabilities, values, at_least_one=False),  # indicators
    "thresholds_or_nearest": lambda probabilities, values: choose(probabilities, values, at_least_one=True),
    "present_or_absent": _present_or_absent,  # (n, 2), 0 or 1
    "ranked": _ranked,  # (n, k), class indices, the most probable one first
}
