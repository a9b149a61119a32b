"""A metric as a frozen object: everything that a pipeline needs to be driven by it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from features.labels.metrics.decisions import Decision

Kind = Literal["binary", "single", "sets"]  # of labels: binary is one class against the others


@dataclass(frozen=True)
class Metric:
    """A metric. Its `function` judges predictions of the form that its decisions have."""

    name: str
    function: Callable[[np.ndarray, np.ndarray], float]  # of predictions and labels
    judges: Literal["probabilities", "decisions", "rankings"]
    kinds: frozenset[Kind]  # of labels that it fits
    fit_decision: Callable[[np.ndarray, np.ndarray], Decision]  # to probabilities (n, classes) and labels
    higher_is_better: bool = True
    hits: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None  # if it is a share: which rows are right
    has_log_loss_weights: bool = False  # if so, log-loss fits the weights of an ensemble better than the metric itself
    judges_row_order: bool = False  # whether only the order of the rows by each of their probabilities counts
    positive: tuple[int, ...] = ()  # the classes that together are judged against all others, if any
    k: int | None = None  # the length of a ranking

    def of(self, predictions: np.ndarray, labels: np.ndarray) -> float:
        """Return the score of predictions, as a decision of this metric returns them.

        Args:
            predictions: probabilities (n, classes), or (n, 2) with `positive`; class indices (n,); indicators (n,
                classes); rankings (n, k).
            labels: class indices (n,), or indicators of label sets (n, classes).
        """
        return self.function(predictions, self._labels(labels))

    def right(self, predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return which rows, bool (n,), are right. Only a metric with `hits` has right rows."""
        assert self.hits is not None
        return self.hits(predictions, labels)

    def fit(self, probabilities: np.ndarray, labels: np.ndarray) -> Decision:
        """Return the decision with the best score for these rows."""
        return self.fit_decision(self.view(probabilities), self._labels(labels))

    def decide(self, decision: Decision, probabilities: np.ndarray) -> np.ndarray:
        """Return what the metric judges, from probabilities (n, classes)."""
        return decision(self.view(probabilities))

    def best(self, probabilities: np.ndarray, labels: np.ndarray) -> float:
        """Return the score of probabilities (n, classes) with the decision that was fitted to the same rows."""
        return self.of(self.decide(self.fit(probabilities, labels), probabilities), labels)

    def honest(self, probabilities: np.ndarray, labels: np.ndarray, parts: np.ndarray) -> np.ndarray:
        """Return predictions for all rows. The decision for each part (n,) was fitted on the other parts."""
        decisions = [(part, self.fit(probabilities[parts != part], labels[parts != part])) for part in np.unique(parts)]
        predictions = None
        for part, decision in decisions:
            rows = parts == part
            values = self.decide(decision, probabilities[rows])
            if predictions is None:
                predictions = np.empty((len(parts), *values.shape[1:]), values.dtype)
            predictions[rows] = values
        assert predictions is not None
        return predictions

    def gain(self, score: float, other: float) -> float:
        """Return by how much a score is better than another one."""
        return score - other if self.higher_is_better else other - score

    def view(self, probabilities: np.ndarray) -> np.ndarray:
        """Return probabilities (n, classes), or with `positive` those of absent and present (n, 2)."""
        if not self.positive:
            return probabilities
        present = probabilities[:, list(self.positive)].sum(axis=1)
        return np.stack([1 - present, present], axis=1)

    def _labels(self, labels: np.ndarray) -> np.ndarray:
        return np.isin(labels, self.positive).astype(int) if self.positive else labels
