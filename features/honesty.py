"""The honest score of an ensemble: on rows that were used for neither weights, nor temperatures, nor the method.

A part (a fold) is scored by an ensemble that was fitted on the other parts. The temperature of the part's own models is
then the mean of the others'. If the method is chosen, too, the choice for a part uses only the other parts, by scores
for which a second part was left out.

An out-of-fold score is that of one fold's models. The submission averages the models of all folds. No training row can
measure this, because most of the models trained on it. `features.ensembling.mean_of_logits` returns the gain in
log-loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import joblib
import numpy as np
from threadpoolctl import threadpool_limits

from features.calibration import calibrate_rows, fit_temperatures
from features.ensembling import METHODS, Blend, Ensemble, Greedy, Stack, fit_blends
from features.labels.intervals import bounds
from features.labels.metrics.losses import log_loss
from features.labels.metrics.shares import accuracy
from features.labels.targets import as_binary, from_binary

AUTO = "auto"
FEW_FOLDS_PARTS = 5
LEAST_PARTS = 3  # so that two can be left out
THREADS = 2

LeftOut = frozenset[int]


@dataclass(frozen=True)
class HonestEnsemble:
    """An ensemble and its honest scores."""

    method: str  # with `auto`, the best one
    ensemble: Ensemble  # fitted on all rows
    probabilities: np.ndarray  # float32 (n, classes); those of a part come from an ensemble fitted on the others
    scores: dict[str, dict[str, float]]  # honest accuracy, its 95 % interval and log-loss of every method


def honest_ensemble(
    probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray, method: str, greedy: Greedy
) -> HonestEnsemble:
    """Return the ensemble with its honest probabilities.

    Args:
        probabilities: out of fold (members, n, classes).
        labels: class indices (n,), or indicators of label sets (n, classes).
        folds: (n,), the fold whose model each row's probabilities come from; with fewer than three folds, the rows are
            distributed over five parts.
        method: one of METHODS, or `auto`: the one with the best honest accuracy, and at a tie the lowest log-loss.
        greedy: settings of the method `greedy`.
    """
    _, folds = np.unique(folds, return_inverse=True)
    if labels.ndim == 1:
        return _honest(probabilities, labels, folds, scoring_parts(folds), method, greedy)
    count = labels.shape[1]
    label_folds, parts = np.repeat(folds, count), np.repeat(scoring_parts(folds), count)
    honest = _honest(as_binary(probabilities), labels.reshape(-1).astype(int), label_folds, parts, method, greedy)
    ensemble = replace(honest.ensemble, label_sets=True)
    return replace(honest, ensemble=ensemble, probabilities=from_binary(honest.probabilities, count))


def _honest(
    probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray, parts: np.ndarray, method: str, greedy: Greedy
) -> HonestEnsemble:
    methods = METHODS if method == AUTO else (method,)
    depth = 2 if method == AUTO else 1
    all_parts = range(parts.max() + 1)
    left_out = [frozenset(some) for size in range(depth + 1) for some in combinations(all_parts, size)]
    fits = _fit_all(probabilities, labels, folds, parts, left_out, methods, greedy)
    honest_by_method = {name: _assemble(fits, parts, name) for name in methods}
    scores = {name: _scores(values, labels) for name, values in honest_by_method.items()}
    best_method, honest = _best(scores), honest_by_method[methods[0]]
    if method == AUTO:
        honest = np.empty_like(honest)
        for part in all_parts:
            rows = parts == part
            honest[rows] = honest_by_method[_best_without(fits, labels, parts, part, methods)][rows]
    full_fit = fits[frozenset()]
    return HonestEnsemble(best_method, Ensemble(full_fit.temperatures, full_fit.blends[best_method]), honest, scores)


def scoring_parts(folds: np.ndarray) -> np.ndarray:
    """Return the part (n,) in which each row is scored, from 0: its fold, or one of five parts with too few folds."""
    _, parts = np.unique(folds, return_inverse=True)
    return parts if parts.max() + 1 >= LEAST_PARTS else np.arange(len(folds)) % FEW_FOLDS_PARTS


@dataclass(frozen=True)
class _Fit:
    """Ensembles fitted without some parts, and their predictions for these parts."""

    temperatures: np.ndarray  # (members, folds)
    blends: dict[str, Blend | Stack]
    predictions: dict[tuple[str, int], np.ndarray]  # (method, part): probabilities float32 (rows of the part, classes)


def _fit_all(
    probabilities: np.ndarray,
    labels: np.ndarray,
    folds: np.ndarray,
    parts: np.ndarray,
    left_out: Sequence[LeftOut],
    methods: Sequence[str],
    greedy: Greedy,
) -> dict[LeftOut, _Fit]:
    def fit(without: LeftOut) -> _Fit:
        fit_rows = ~np.isin(parts, list(without))
        temperatures = fit_temperatures(probabilities, labels, folds, fit_rows)
        members = calibrate_rows(probabilities, temperatures, folds)
        blends = fit_blends(members[:, fit_rows], labels[fit_rows], methods, greedy)
        predictions = {
            (name, part): blend(members[:, parts == part]) for part in without for name, blend in blends.items()
        }
        return _Fit(temperatures, blends, predictions)

    with threadpool_limits(1):  # one thread for each fit, because several fits run in parallel
        fits = joblib.Parallel(n_jobs=THREADS, prefer="threads")(joblib.delayed(fit)(without) for without in left_out)
    return dict(zip(left_out, fits, strict=True))


def _assemble(fits: dict[LeftOut, _Fit], parts: np.ndarray, method: str) -> np.ndarray:
    """Return the probabilities (n, classes) of a method. Those of a part come from the fit without it."""
    first = fits[frozenset([0])].predictions[method, 0]
    out = np.empty((len(parts), first.shape[1]), np.float32)
    for part in range(parts.max() + 1):
        out[parts == part] = fits[frozenset([part])].predictions[method, part]
    return out


def _best_without(
    fits: dict[LeftOut, _Fit], labels: np.ndarray, parts: np.ndarray, part: int, methods: Sequence[str]
) -> str:
    """Return the best method on all parts except `part`. Each part is scored by the fit without it and `part`."""
    others = [other for other in range(parts.max() + 1) if other != part]
    order = np.concatenate([np.flatnonzero(parts == other) for other in others])
    scores = {}
    for name in methods:
        predictions = [fits[frozenset([part, other])].predictions[name, other] for other in others]
        scores[name] = _scores(np.concatenate(predictions), labels[order])
    return _best(scores)


def _scores(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    score = accuracy(probabilities, labels)
    return {"accuracy": score, **bounds(score, len(labels)), "log_loss": log_loss(probabilities, labels)}


def _best(scores: dict[str, dict[str, float]]) -> str:
    return max(scores, key=lambda name: (scores[name]["accuracy"], -scores[name]["log_loss"]))


def error_correlation(wrong: np.ndarray) -> list[list[float | None]]:
    """Return the correlation (members, members) of errors, bool (members, n). A member without errors has None."""
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = np.atleast_2d(np.corrcoef(wrong.astype(np.float32)))
    return [[None if np.isnan(value) else round(float(value), 4) for value in row] for row in matrix]
