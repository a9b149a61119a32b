"""The temperatures that make a member's probabilities as sure as they are right.

A temperature belongs to one fold's model. It is fitted on the rows that this model was not trained on, and it is
applied to this model's probabilities before they are averaged with those of others.
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

MOST_TEMPERATURE = 20.0


def calibrate(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities (n, classes) as if the logits had been divided by `temperature`."""
    return softmax(_logs(probabilities) / temperature, axis=1)


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature with the least log-loss (Guo et al., "On Calibration of Modern Neural Networks", 2017).

    Below one it sharpens what label smoothing and averaged views made too modest, so that members can be compared. Its
    logarithm has a standard normal prior, without which rows that are all right would make a model certain.

    Args:
        probabilities: (n, classes).
        labels: class indices (n,).
    """
    logs, bound = _logs(probabilities), np.log(MOST_TEMPERATURE)
    logs -= logs.max(axis=1, keepdims=True)  # so that no row of exponentials sums to zero
    true = logs[np.arange(len(labels)), labels]

    def loss(log_t: float) -> float:
        normalisers = np.log(np.exp(logs / np.exp(log_t)).sum(axis=1))
        return np.mean(normalisers - true / np.exp(log_t)) + log_t**2 / (2 * len(labels))

    best = minimize_scalar(loss, bounds=(-bound, bound), method="bounded", options={"xatol": 1e-3})
    return float(np.exp(best.x))


def fit_temperatures(
    probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray, seen: np.ndarray | None = None
) -> np.ndarray:
    """Return the temperature (members, folds) of every fold's model of every member.

    Args:
        probabilities: out of fold (members, n, classes).
        labels: class indices (n,).
        folds: (n,), whose model each row's probabilities come from.
        seen: bool (n,), the rows to fit on, by default all. A model without such rows gets the geometric mean of its
            member's other temperatures.
    """
    seen = np.ones(len(labels), bool) if seen is None else seen
    temperatures = np.full((len(probabilities), folds.max() + 1), np.nan)
    for fold in np.unique(folds[seen]):
        rows = np.flatnonzero(seen & (folds == fold))
        temperatures[:, fold] = [fit_temperature(each[rows], labels[rows]) for each in probabilities]
    return np.where(np.isnan(temperatures), mean_temperatures(temperatures)[:, None], temperatures)


def mean_temperatures(temperatures: np.ndarray) -> np.ndarray:
    """Return each member's geometric mean (members,) of its temperatures (members, folds), of those that are known."""
    return np.exp(np.nanmean(np.log(temperatures), axis=1))


def calibrated_rows(probabilities: np.ndarray, temperatures: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return out-of-fold probabilities (members, n, classes), each calibrated by its own model's temperature.

    Args:
        probabilities: (members, n, classes).
        temperatures: (members, folds).
        folds: (n,), whose model each row's probabilities come from.
    """
    return softmax(_logs(probabilities) / temperatures[:, folds, None].astype(probabilities.dtype), axis=2)


def calibrated_models(models: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
    """Return a member's test probabilities (folds, n, classes), each fold's calibrated by its own temperature.

    Args:
        models: (folds, n, classes), or (1, n, classes) of a member with one model on all rows, which no row is held
            out from: it gets the geometric mean of the temperatures.
        temperatures: of this member (folds,).
    """
    if len(models) == 1:
        temperatures = mean_temperatures(temperatures[None])
    return np.stack([calibrate(each, t) for each, t in zip(models, temperatures.tolist(), strict=True)])


def _logs(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
