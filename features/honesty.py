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
from features.ensembling import METHODS, RANK, AnyBlend, Ensemble, Greedy, fit_blends, label_peers, mean_of_repeats
from features.labels.metrics.losses import log_loss
from features.labels.metrics.metric import Metric
from features.labels.metrics.registry import ACCURACY
from features.labels.parts import scoring_parts
from features.labels.targets import as_binary, from_binary
from features.labels.uncertainty import score_with_interval

AUTO = "auto"
THREADS = 2

LeftOut = frozenset[int]


@dataclass(frozen=True)
class HonestEnsemble:
    """An ensemble and its honest scores."""

    method: str  # with `auto`, the best one
    ensemble: Ensemble  # fitted on all rows
    probabilities: np.ndarray  # float32 (n, classes); those of a part come from an ensemble fitted on the others
    scores: dict[str, dict[str, float]]  # of every method: honest score, its 95 % interval, and log-loss


@dataclass(frozen=True)
class _Objective:
    """The metric by which ensembles are fitted and compared."""

    metric: Metric
    repeats: int = 1  # rows of one image, one after the other
    label_count: int = 0  # of label sets, each label of which is a row with two classes; 0: one label for each image

    def loss(self, probabilities: np.ndarray, labels: np.ndarray) -> float:
        """Return the metric of some rows as a loss, with decisions that are fitted to them."""
        return -self.metric.gain(self.metric.best(*self._predictions(probabilities, labels)), 0.0)

    def images(self, probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the probabilities (images, classes) and the labels of images, from those of their rows."""
        predictions, prediction_labels = self._predictions(probabilities, labels)
        mean = mean_of_repeats(predictions, self.repeats, label_sets=self.label_count > 0)
        return mean, prediction_labels[:: self.repeats]

    def honest(
        self, probabilities: np.ndarray, labels: np.ndarray, parts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Return predictions and labels of images, and log-loss. The decisions for a part are fitted on the others."""
        images, image_labels = self.images(probabilities, labels)
        image_parts = parts[:: self.repeats * max(self.label_count, 1)]
        return self.metric.honest(images, image_labels, image_parts), image_labels, log_loss(images, image_labels)

    def _predictions(self, probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count = self.label_count
        return (from_binary(probabilities, count), labels.reshape(-1, count)) if count else (probabilities, labels)


def honest_ensemble(
    probabilities: np.ndarray,
    labels: np.ndarray,
    folds: np.ndarray,
    method: str,
    greedy: Greedy,
    metric: Metric = ACCURACY,
) -> HonestEnsemble:
    """Return the ensemble with its honest probabilities.

    Args:
        probabilities: out of fold (members, n, classes) or, if the folds have repeats, (members, n, repeats, classes).
        labels: class indices (n,), or indicators of label sets (n, classes).
        folds: (n,) or (n, repeats), the fold whose model each row's probabilities come from. The folds of the first
            repeat are the parts; with fewer than three, the rows are distributed over five parts. Weights are fitted to
            single predictions, and the mean over the repeats is scored.
        method: one of METHODS, or `auto`: the one with the best honest score, and at a tie the lowest log-loss. `rank`
            is one of them if `can_rank`.
        greedy: settings of the method `greedy`.
        metric: of the task. It fits the weights, unless log-loss fits them better (`Metric.has_log_loss_weights`).

    Raises:
        ValueError: too few rows, or, for stacking, too few of all classes but one; `rank` without `can_rank`.
    """
    repeats, count, is_sets = folds.size // len(folds), probabilities.shape[-1], labels.ndim == 2
    parts = np.repeat(scoring_parts(folds.reshape(-1, repeats)[:, 0]), repeats)
    _, folds = np.unique(folds.reshape(-1), return_inverse=True)
    probabilities = probabilities.reshape(len(probabilities), -1, count)
    labels = np.repeat(labels, repeats, axis=0)
    ranks_allowed = can_rank(metric, count, is_sets)
    if method == RANK and not ranks_allowed:
        raise ValueError(
            f"ensemble.method rank, but metric {metric.name} with {count} classes is not of the order of one "
            "probability; choose another method"
        )
    methods = (method,) if method != AUTO else tuple(name for name in METHODS if name != RANK or ranks_allowed)
    objective, peers = _Objective(metric, repeats, count if is_sets else 0), folds
    if is_sets:
        peers = label_peers(folds, count)
        probabilities, labels = as_binary(probabilities), labels.reshape(-1).astype(int)
        folds, parts = np.repeat(folds, count), np.repeat(parts, count)
    honest = _honest(probabilities, labels, folds, peers, parts, methods, greedy, objective)
    images, _ = objective.images(honest.probabilities, labels)
    return replace(honest, ensemble=replace(honest.ensemble, label_sets=is_sets), probabilities=images)


def can_rank(metric: Metric, classes: int, label_sets: bool) -> bool:
    """Return whether the members' ranks can be blended: only the order of the rows counts, by each label or the second
    of two classes. With more classes, blended ranks would not sum to one in each row.
    """
    return metric.judges_row_order and (label_sets or classes == 2)


def _honest(
    probabilities: np.ndarray,
    labels: np.ndarray,
    folds: np.ndarray,
    peers: np.ndarray,
    parts: np.ndarray,
    methods: Sequence[str],
    greedy: Greedy,
    objective: _Objective,
) -> HonestEnsemble:
    """Return the honest ensemble. If there are several methods, their choice is honest, too.

    `peers` (n,) are numbers of the rows that are ranked together.
    """
    depth = min(len(methods), 2)
    all_parts = range(parts.max() + 1)
    left_out = [frozenset(some) for size in range(depth + 1) for some in combinations(all_parts, size)]
    fits = _fit_all(probabilities, labels, folds, peers, parts, left_out, methods, greedy, objective)
    honest_by_method = {name: _assemble(fits, parts, name) for name in methods}
    scores = {name: _scores(values, labels, parts, objective) for name, values in honest_by_method.items()}
    best_method, honest = _best(scores, objective.metric), honest_by_method[methods[0]]
    if len(methods) > 1:
        honest = np.empty_like(honest)
        for part in all_parts:
            rows = parts == part
            honest[rows] = honest_by_method[_best_without(fits, labels, parts, part, methods, objective)][rows]
    full_fit = fits[frozenset()]
    return HonestEnsemble(best_method, Ensemble(full_fit.temperatures, full_fit.blends[best_method]), honest, scores)


@dataclass(frozen=True)
class _Fit:
    """Ensembles fitted without some parts, and their predictions for these parts."""

    temperatures: np.ndarray  # (members, folds)
    blends: dict[str, AnyBlend]
    predictions: dict[tuple[str, int], np.ndarray]  # (method, part): probabilities float32 (rows of the part, classes)


def _fit_all(
    probabilities: np.ndarray,
    labels: np.ndarray,
    folds: np.ndarray,
    peers: np.ndarray,
    parts: np.ndarray,
    left_out: Sequence[LeftOut],
    methods: Sequence[str],
    greedy: Greedy,
    objective: _Objective,
) -> dict[LeftOut, _Fit]:
    loss = None if objective.metric.has_log_loss_weights else objective.loss

    def fit(without: LeftOut) -> _Fit:
        fit_rows = ~np.isin(parts, list(without))
        _check_enough(labels[fit_rows], len(labels), methods)
        temperatures = fit_temperatures(probabilities, labels, folds, fit_rows)
        members = calibrate_rows(probabilities, temperatures, folds)
        blends = fit_blends(members[:, fit_rows], labels[fit_rows], methods, greedy, loss, peers[fit_rows])
        predictions = {
            (name, part): blend(members[:, parts == part], peers[parts == part])
            for part in without
            for name, blend in blends.items()
        }
        return _Fit(temperatures, blends, predictions)

    with threadpool_limits(1):  # one thread for each fit, because several fits run in parallel
        fits = joblib.Parallel(n_jobs=THREADS, prefer="threads")(joblib.delayed(fit)(without) for without in left_out)
    return dict(zip(left_out, fits, strict=True))


def _check_enough(labels: np.ndarray, rows: int, methods: Sequence[str]) -> None:
    """Raise ValueError if `labels`, which are left after some of the `rows` are left out, are too few for a method."""
    if not len(labels):
        raise ValueError(f"{rows} row(s), expected more, as some are left out for an honest score")
    if "stacking" in methods and len(np.unique(labels)) == 1:
        raise ValueError(
            f"{rows} rows; when some are left out for an honest score, the others are of one class, but the method "
            "stacking, also in auto, expects two; choose mean, greedy or convex"
        )


def _assemble(fits: dict[LeftOut, _Fit], parts: np.ndarray, method: str) -> np.ndarray:
    """Return the probabilities (n, classes) of a method. Those of a part come from the fit without it."""
    first = fits[frozenset([0])].predictions[method, 0]
    out = np.empty((len(parts), first.shape[1]), np.float32)
    for part in range(parts.max() + 1):
        out[parts == part] = fits[frozenset([part])].predictions[method, part]
    return out


def _best_without(
    fits: dict[LeftOut, _Fit],
    labels: np.ndarray,
    parts: np.ndarray,
    part: int,
    methods: Sequence[str],
    objective: _Objective,
) -> str:
    """Return the best method on all parts except `part`. Each part is scored by the fit without it and `part`."""
    others = [other for other in range(parts.max() + 1) if other != part]
    order = np.concatenate([np.flatnonzero(parts == other) for other in others])
    scores = {}
    for name in methods:
        predictions = np.concatenate([fits[frozenset([part, other])].predictions[name, other] for other in others])
        honest_predictions, true, loss = objective.honest(predictions, labels[order], parts[order])
        scores[name] = {"score": objective.metric.of(honest_predictions, true), "log_loss": loss}
    return _best(scores, objective.metric)


def _scores(
    probabilities: np.ndarray, labels: np.ndarray, parts: np.ndarray, objective: _Objective
) -> dict[str, float]:
    predictions, true, loss = objective.honest(probabilities, labels, parts)
    return {**score_with_interval(objective.metric, predictions, true), "log_loss": loss}


def _best(scores: dict[str, dict[str, float]], metric: Metric) -> str:
    return max(scores, key=lambda name: (metric.gain(scores[name]["score"], 0), -scores[name]["log_loss"]))


def error_correlation(wrong: np.ndarray) -> list[list[float | None]]:
    """Return the correlation (members, members) of errors, bool (members, n). A member without errors has None."""
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = np.atleast_2d(np.corrcoef(wrong.astype(np.float32)))
    return [[None if np.isnan(value) else round(float(value), 4) for value in row] for row in matrix]
