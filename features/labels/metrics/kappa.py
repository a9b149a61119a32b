"""Cohen's kappa with quadratic weights, and its cut points."""

import numpy as np

MOST_CUTS = 400  # candidates for cut points
ROUNDS = 20  # of the fit; three or four are enough


def quadratic_kappa(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Return Cohen's kappa (n,) with quadratic weights, as scikit-learn does, or 0 if all rows have one class."""
    if np.ptp(np.concatenate([predicted, labels])) == 0:
        return 0.0
    from sklearn.metrics import cohen_kappa_score  # takes a second, and most stages do not need it

    return float(cohen_kappa_score(labels, predicted, weights="quadratic"))


def expected_values(probabilities: np.ndarray) -> np.ndarray:
    """Return the expected class index (n,) float64 of probabilities (n, classes)."""
    return probabilities.astype(np.float64) @ np.arange(probabilities.shape[1])


def fit_cut_points(values: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the cut points (classes - 1,) between ordered classes with the highest quadratic kappa.

    Kappa is 1 - observed / expected disagreement, and both are sums over the rows. So the best kappa of all is found by
    Dinkelbach's method ("On nonlinear fractional programming", 1967), with dynamic programming in each round.

    Args:
        values: expected class indices (n,).
        labels: class indices (n,).
        classes: their number.
    """
    distinct = np.unique(values)
    cuts = (distinct[1:] + distinct[:-1]) / 2
    if len(cuts) > MOST_CUTS:
        cuts = cuts[np.linspace(0, len(cuts) - 1, MOST_CUTS).astype(int)]
    counts = np.zeros((len(cuts) + 1, classes))  # of true classes between two cuts
    np.add.at(counts, (np.searchsorted(cuts, values, side="right"), labels), 1)
    weights = np.subtract.outer(np.arange(classes), np.arange(classes)).astype(float) ** 2
    observed = counts @ weights  # (intervals, predicted class)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0) @ weights) / len(labels)
    steps, ratio = np.arange(len(observed)), 1.0
    for _ in range(ROUNDS):
        assigned = _cheapest_steps(observed - ratio * expected)
        total = expected[steps, assigned].sum()
        better = observed[steps, assigned].sum() / total if total else ratio
        if better >= ratio:
            break
        ratio = better
    borders = np.searchsorted(assigned, np.arange(1, classes))  # the first interval of each class or a higher one
    ends = np.concatenate([[distinct[0] - 1], cuts, [distinct[-1] + 1]])
    return ends[borders]


def _cheapest_steps(costs: np.ndarray) -> np.ndarray:
    """Return the class (intervals,) of each interval, never decreasing, with the lowest total of costs."""
    lowest, origins = np.zeros(costs.shape[1]), np.empty(costs.shape, int)
    for row, cost in enumerate(costs):
        best = np.minimum.accumulate(lowest)
        origins[row] = np.maximum.accumulate(np.where(lowest == best, np.arange(len(best)), 0))
        lowest = best + cost
    assigned = np.empty(len(costs), int)
    current = int(lowest.argmin())
    for row in range(len(costs) - 1, -1, -1):
        assigned[row] = current
        current = origins[row, current]
    return assigned
