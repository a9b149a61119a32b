"""Calibrate a member's probabilities with temperatures, so that their confidence matches their accuracy.

A temperature belongs to one fold's model. It is fitted on the validation rows of this model, and applied to its
probabilities before they are averaged with those of other models.
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

MOST_TEMPERATURE = 20.0


def calibrate(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities (n, classes) as if the logits had been divided by `temperature`."""
    return softmax(_logs(probabilities) / temperature, axis=1)


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature with the lowest log-loss (Guo et al., "On Calibration of Modern Neural Networks", 2017).

    A temperature below one sharpens probabilities that label smoothing and averaged views have flattened, so members
    can be compared. Its logarithm has a standard normal prior. Without it, a model without errors would become certain.

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
    probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray, fit_rows: np.ndarray | None = None
) -> np.ndarray:
    """Return the temperature (members, folds) of every fold's model of every member.

    Args:
        probabilities: out of fold (members, n, classes).
        labels: class indices (n,).
        folds: (n,), the fold whose model each row's probabilities come from.
        fit_rows: bool (n,), the rows to fit on, by default all. A model without such rows gets the geometric mean of
            its member's other temperatures.
    """
    fit_rows = np.ones(len(labels), bool) if fit_rows is None else fit_rows
    temperatures = np.full((len(probabilities), folds.max() + 1), np.nan)
    for fold in np.unique(folds[fit_rows]):
        rows = np.flatnonzero(fit_rows & (folds == fold))
        temperatures[:, fold] = [fit_temperature(member[rows], labels[rows]) for member in probabilities]
    return np.where(np.isnan(temperatures), mean_temperatures(temperatures)[:, None], temperatures)


def mean_temperatures(temperatures: np.ndarray) -> np.ndarray:
    """Return the geometric mean (members,) of each member's temperatures (members, folds), without NaN."""
    return np.exp(np.nanmean(np.log(temperatures), axis=1))


def calibrate_rows(probabilities: np.ndarray, temperatures: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return out-of-fold probabilities (members, n, classes), calibrated with the temperature of each row's model.

    Args:
        probabilities: (members, n, classes).
        temperatures: (members, folds).
        folds: (n,), the fold whose model each row's probabilities come from.
    """
    return softmax(_logs(probabilities) / temperatures[:, folds, None].astype(probabilities.dtype), axis=2)


def calibrate_models(models: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
    """Return a member's test probabilities (folds, n, classes), calibrated with each fold's temperature.

    Args:
        models: (folds, n, classes), or (1, n, classes) for a member with one model that was trained on all rows. It has
            no validation rows, so it gets the geometric mean of the temperatures.
        temperatures: of this member (folds,).
    """
    if len(models) == 1:
        temperatures = mean_temperatures(temperatures[None])
    return np.stack([calibrate(model, t) for model, t in zip(models, temperatures.tolist(), strict=True)])


def _logs(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
