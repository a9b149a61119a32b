"""What an ensemble is worth on rows that none of its fitting saw: neither weights, nor temperatures, nor the choice.

A part (a fold) is scored by an ensemble that was fitted on the other parts; the temperature of the part's own models is
then the mean of the others'. Where the method is chosen, too, the choice for a part is made on the others alone, by
scores for which yet another part was left out.

An out-of-fold score judges one fold's models. The submission averages those of all folds, which no training row can
judge, as each has trained most of the models. `features.ensembling.averaged` says what that is worth in log-loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import joblib
import numpy as np
from threadpoolctl import threadpool_limits

from features.calibration import calibrated_rows, fit_temperatures
from features.ensembling import METHODS, Blend, Ensemble, Greedy, Stack, fit_blends
from features.labels.intervals import bounds
from features.labels.metrics import accuracy, log_loss
from features.labels.targets import as_binary, from_binary

AUTO = "auto"
DEALT_PARTS = 5
LEAST_PARTS = 3  # so that two may be left out
THREADS = 2
RESAMPLES = 10_000

LeftOut = frozenset[int]


@dataclass(frozen=True)
class Honest:
    """An ensemble and what it is worth."""

    method: str  # the chosen one, where that was left open
    ensemble: Ensemble  # fitted on all rows
    probabilities: np.ndarray  # float32 (n, classes), each part's from an ensemble that was fitted on the others
    scores: dict[str, dict[str, float]]  # honest accuracy, its 95 % interval and log-loss of every method tried


def honest_ensemble(
    probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray, method: str, greedy: Greedy
) -> Honest:
    """Return the ensemble with its honest probabilities.

    Args:
        probabilities: out of fold (members, n, classes).
        labels: class indices (n,), or indicators of label sets (n, classes).
        folds: (n,), whose model each row's probabilities come from; with fewer than three the rows are dealt out to
            five parts.
        method: of METHODS, or `auto`: the one with the best honest accuracy, of equals the one with the least log-loss.
        greedy: settings of that method.
    """
    _, folds = np.unique(folds, return_inverse=True)
    if labels.ndim == 1:
        return _honest(probabilities, labels, folds, dealt(folds), method, greedy)
    count = labels.shape[1]
    each_label = (np.repeat(rows, count) for rows in (folds, dealt(folds)))
    made = _honest(as_binary(probabilities), labels.reshape(-1).astype(int), *each_label, method, greedy)
    ensemble = replace(made.ensemble, label_sets=True)
    return replace(made, ensemble=ensemble, probabilities=from_binary(made.probabilities, count))


def _honest(
    probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray, parts: np.ndarray, method: str, greedy: Greedy
) -> Honest:
    methods = METHODS if method == AUTO else (method,)
    depth = 2 if method == AUTO else 1
    left_out = [frozenset(each) for size in range(depth + 1) for each in combinations(range(parts.max() + 1), size)]
    fits = _fit_all(probabilities, labels, folds, parts, left_out, methods, greedy)
    made = {name: _assembled(fits, parts, name) for name in methods}
    scores = {name: _scores(each, labels) for name, each in made.items()}
    chosen, honest = _best(scores), made[methods[0]]
    if method == AUTO:
        honest = np.empty_like(honest)
        for part in range(parts.max() + 1):
            rows = parts == part
            honest[rows] = made[_choice(fits, labels, parts, part, methods)][rows]
    everything = fits[frozenset()]
    return Honest(chosen, Ensemble(everything.temperatures, everything.blends[chosen]), honest, scores)


def dealt(folds: np.ndarray) -> np.ndarray:
    """Return the parts (n,) that rows are scored in, counted from 0: their folds, or where those are too few, five."""
    _, parts = np.unique(folds, return_inverse=True)
    return parts if parts.max() + 1 >= LEAST_PARTS else np.arange(len(folds)) % DEALT_PARTS


@dataclass(frozen=True)
class _Fit:
    """Ensembles fitted without some parts, and what they say about these."""

    temperatures: np.ndarray  # (members, folds)
    blends: dict[str, Blend | Stack]
    said: dict[tuple[str, int], np.ndarray]  # (method, part): probabilities float32 (rows of the part, classes)


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
        seen = ~np.isin(parts, list(without))
        temperatures = fit_temperatures(probabilities, labels, folds, seen)
        members = calibrated_rows(probabilities, temperatures, folds)
        blends = fit_blends(members[:, seen], labels[seen], methods, greedy)
        said = {(name, part): blend(members[:, parts == part]) for part in without for name, blend in blends.items()}
        return _Fit(temperatures, blends, said)

    with threadpool_limits(1):  # the threads are used here, a fit each
        fits = joblib.Parallel(n_jobs=THREADS, prefer="threads")(joblib.delayed(fit)(each) for each in left_out)
    return dict(zip(left_out, fits, strict=True))


def _assembled(fits: dict[LeftOut, _Fit], parts: np.ndarray, method: str) -> np.ndarray:
    """Return the probabilities (n, classes) of a method, each part's from the fit without it."""
    first = fits[frozenset([0])].said[method, 0]
    out = np.empty((len(parts), first.shape[1]), np.float32)
    for part in range(parts.max() + 1):
        out[parts == part] = fits[frozenset([part])].said[method, part]
    return out


def _choice(fits: dict[LeftOut, _Fit], labels: np.ndarray, parts: np.ndarray, part: int, methods: Sequence[str]) -> str:
    """Return the method that is best on the parts but one, each of them left out of its fit together with that one."""
    others = [each for each in range(parts.max() + 1) if each != part]
    order = np.concatenate([np.flatnonzero(parts == each) for each in others])
    said = {
        name: np.concatenate([fits[frozenset([part, each])].said[name, each] for each in others]) for name in methods
    }
    return _best({name: _scores(each, labels[order]) for name, each in said.items()})


def _scores(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    score = accuracy(probabilities, labels)
    return {"accuracy": score, **bounds(score, len(labels)), "log_loss": log_loss(probabilities, labels)}


def _best(scores: dict[str, dict[str, float]]) -> str:
    return max(scores, key=lambda name: (scores[name]["accuracy"], -scores[name]["log_loss"]))


def gain_interval(right: np.ndarray, than: np.ndarray, seed: int) -> dict[str, float]:
    """Return by how much more often `right` (n,) holds than `than` (n,), with the 95 % interval of a paired bootstrap.

    Rows are drawn again in pairs; only how many differ and which way matters, so counts are drawn instead of rows.
    """
    difference = right.astype(int) - than
    shares = [(difference == sign).mean() for sign in (-1, 0, 1)]
    drawn = np.random.default_rng(seed).multinomial(len(right), shares, size=RESAMPLES)
    low, high = np.quantile((drawn[:, 2] - drawn[:, 0]) / len(right), [0.025, 0.975])
    return {"gain": float(difference.mean()), "low": float(low), "high": float(high)}


def error_correlation(wrong: np.ndarray) -> list[list[float | None]]:
    """Return the correlation (members, members) of errors, bool (members, n); None beside a member that errs never."""
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = np.atleast_2d(np.corrcoef(wrong.astype(np.float32)))
    return [[None if np.isnan(value) else round(float(value), 4) for value in row] for row in matrix]
