"""The blend of an ensemble's members, and a score of it that its own fitting did not touch."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from features.metrics import LEAST_PROBABILITY

MOST_TEMPERATURE = 20.0


@dataclass(frozen=True)
class Blend:
    """How members become one: each is calibrated by its temperature, then they are averaged by weight."""

    temperatures: np.ndarray  # (members,)
    weights: np.ndarray  # (members,), summing to one

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the blended probabilities float32 (n, classes) of (members, n, classes)."""
        calibrated = [calibrate(each, t) for each, t in zip(probabilities, self.temperatures, strict=True)]
        return np.tensordot(self.weights, np.stack(calibrated), axes=1).astype(np.float32)


def calibrate(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities (n, classes) as if the logits had been divided by `temperature`."""
    return softmax(_logs(probabilities) / temperature, axis=1)


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature with the least log-loss (Guo et al., "On Calibration of Modern Neural Networks", 2017).

    Below one it sharpens what label smoothing and averaged views made too modest, so that members can be compared.
    """
    logs, bound = _logs(probabilities), np.log(MOST_TEMPERATURE)
    logs -= logs.max(axis=1, keepdims=True)  # so that no row of exponentials sums to zero
    true = logs[np.arange(len(labels)), labels]
    found = minimize_scalar(
        lambda log_t: np.mean(np.log(np.exp(logs / np.exp(log_t)).sum(axis=1)) - true / np.exp(log_t)),
        bounds=(-bound, bound),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return float(np.exp(found.x))


def _logs(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))


def fit_blend(probabilities: np.ndarray, labels: np.ndarray, method: str, rounds: int) -> Blend:
    """Return the blend of members, calibrated first.

    Args:
        probabilities: (members, n, classes).
        labels: class indices (n,).
        method: `mean`, or `greedy`: selection with replacement on log-loss (Caruana et al., "Ensemble selection from
            libraries of models", 2004).
        rounds: how many selections greedy makes; the best prefix of them counts.
    """
    temperatures = np.array([fit_temperature(each, labels) for each in probabilities])
    if method == "mean":
        return Blend(temperatures, np.full(len(probabilities), 1 / len(probabilities)))
    rows = np.arange(len(labels))
    true = [calibrate(each, t)[rows, labels] for each, t in zip(probabilities, temperatures, strict=True)]
    return Blend(temperatures, _greedy(np.array(true, np.float64), rounds))


def _greedy(true: np.ndarray, rounds: int) -> np.ndarray:
    """Return the weights (members,) from every member's probabilities (members, n) of the true class."""
    total, chosen = np.zeros(true.shape[1]), np.zeros(len(true))
    best_loss, best = np.inf, chosen
    for size in range(1, rounds + 1):
        losses = -np.log(np.maximum((total + true) / size, LEAST_PROBABILITY)).mean(axis=1)
        winner = int(losses.argmin())
        total, chosen = total + true[winner], chosen + np.eye(len(true))[winner]
        if losses[winner] < best_loss:
            best_loss, best = losses[winner], chosen
    return best / best.sum()


def honest_blend(
    probabilities: np.ndarray, labels: np.ndarray, parts: np.ndarray, method: str, rounds: int
) -> np.ndarray:
    """Return the ensemble's probabilities (n, classes), each part's from a blend that was fitted on the other parts.

    Args:
        parts: (n,), the fold of each row, at least two.
    """
    out = np.empty(probabilities.shape[1:], np.float32)
    for part in np.unique(parts):
        held_out = parts == part
        fitted = fit_blend(probabilities[:, ~held_out], labels[~held_out], method, rounds)
        out[held_out] = fitted(probabilities[:, held_out])
    return out
