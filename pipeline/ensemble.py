"""`python -m pipeline.ensemble TASK`: combine the task's members, and score the result on rows not used to fit it."""

from typing import Any

import numpy as np

from features.ensembling import Greedy
from features.honesty import HonestEnsemble, error_correlation, gain_interval, honest_ensemble, scoring_parts
from features.labels.intervals import bounds, with_bounds
from features.labels.metrics.losses import log_loss
from features.labels.metrics.rankings import mean_average_precision
from features.labels.metrics.report import set_scores
from features.labels.metrics.shares import hits, set_hits
from features.labels.thresholds import choose, fit_thresholds, honest_choice
from pipeline.running.stage import Params, run, task_of
from pipeline.storage import paths
from pipeline.storage.files import BadInput, blame, save_json, writing
from pipeline.storage.predictions import (
    Predictions,
    load_aligned,
    load_test_models,
    save_predictions,
)
from pipeline.storage.summaries import load_roster
from pipeline.storage.task_data import TaskData


def ensemble(params: Params, key: str) -> str:
    """Write the ensemble's weights, temperatures and scores, `oof.npz` and `test.npz`."""
    options, members, data = task_of(params, key).ensemble, load_roster(key), TaskData(key)
    rows = np.flatnonzero(data.folds >= 0)
    ids, labels, folds = data.train_ids[rows], data.labels[rows], data.folds[rows]
    classes, label_sets = data.classes, data.has_label_sets
    oof = np.stack([_out_of_fold(key, member, ids, classes, folds, label_sets) for member in members])
    folders = [paths.predictions(key, member) for member in members]
    tests = [load_test_models(folder, data.test_ids, classes, label_sets) for folder in folders]
    with blame(f"{paths.folds(key)}, whose held-out rows the ensemble is fitted on"):
        greedy = Greedy(options.rounds, options.bags, options.seed)
        honest = honest_ensemble(oof, labels, folds, options.method, greedy)
    test, gain = honest.ensemble.of_models(tests)
    summary = _summary(honest, members, oof, labels, folds, options.seed)
    summary["averaging_gain_in_log_loss"] = gain
    if label_sets:
        summary["sets"] = _set_summary(honest, oof, labels, folds, classes)
    with writing(paths.ensemble(key)) as part:
        part.mkdir()
        save_predictions(part / "oof.npz", Predictions(ids, honest.probabilities, classes, folds))
        save_predictions(part / "test.npz", Predictions(data.test_ids, test, classes))
        save_json(part / "ensemble.json", summary)
    return _summary_line(summary)


def _out_of_fold(
    key: str, member: str, ids: np.ndarray, classes: list, folds: np.ndarray, label_sets: bool
) -> np.ndarray:
    """Return a member's out-of-fold probabilities, float32 (n, classes), in the order of `ids`.

    Raises:
        BadInput: its ids, classes or `folds` (n,) differ from the task's, or its rows are not probabilities.
    """
    path = paths.predictions(key, member) / "oof.npz"
    predictions = load_aligned(path, ids, classes, label_sets)
    if predictions.folds is None or (predictions.folds != folds).any():
        raise BadInput(f"{path}: made with other folds than those of {paths.folds(key)}; rerun stages train, predict")
    return predictions.probabilities


def _set_summary(
    honest: HonestEnsemble, oof: np.ndarray, labels: np.ndarray, folds: np.ndarray, classes: list
) -> dict[str, Any]:
    """Return the thresholds for test rows, and the scores of label sets with thresholds fitted on other rows."""
    at_least_one = _never_empty(labels)
    thresholds = fit_thresholds(honest.ensemble.of_rows(oof, folds), labels)
    return {
        **set_scores(honest_choice(honest.probabilities, labels, scoring_parts(folds), at_least_one), labels),
        "mean_average_precision": mean_average_precision(honest.probabilities, labels),
        "at_least_one": at_least_one,
        "thresholds": {str(name): float(value) for name, value in zip(classes, thresholds, strict=True)},
    }


def _never_empty(labels: np.ndarray) -> bool:
    return bool(labels.any(axis=1).all())


def _right(probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return which rows, bool (n,), are right. Label sets use thresholds that were fitted on other rows."""
    if labels.ndim == 1:
        return hits(probabilities, labels)
    return set_hits(honest_choice(probabilities, labels, scoring_parts(folds), _never_empty(labels)), labels)


def _right_as_fitted(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which rows, bool (n,), are right. Label sets use thresholds that were fitted on the same rows."""
    if labels.ndim == 1:
        return hits(probabilities, labels)
    return set_hits(choose(probabilities, fit_thresholds(probabilities, labels), _never_empty(labels)), labels)


def _summary(
    honest: HonestEnsemble, members: list[str], oof: np.ndarray, labels: np.ndarray, folds: np.ndarray, seed: int
) -> dict[str, Any]:
    right = np.stack([_right(probabilities, labels, folds) for probabilities in oof])
    right_together = _right(honest.probabilities, labels, folds)
    score = float(right_together.mean())
    best = int(right.mean(axis=1).argmax())
    best_score = float(right[best].mean())
    return {
        "method": honest.method,
        "methods": honest.scores,
        "weights": dict(zip(members, honest.ensemble.blend.weights.tolist(), strict=True)),
        "temperatures": dict(zip(members, honest.ensemble.temperatures.tolist(), strict=True)),
        "honest_accuracy": score,
        **bounds(score, len(labels)),
        "honest_log_loss": log_loss(honest.probabilities, labels),
        "optimistic_accuracy": float(_right_as_fitted(honest.ensemble.of_rows(oof, folds), labels).mean()),
        "best_member": {"name": members[best], "accuracy": best_score, **bounds(best_score, len(labels))},
        "gain_over_best_member": gain_interval(right_together, right[best], seed),
        "error_correlation": dict(zip(members, error_correlation(~right), strict=True)),
    }


def _summary_line(summary: dict[str, Any]) -> str:
    shares = ", ".join(f"{name} {weight:.2f}" for name, weight in summary["weights"].items())
    gain, against = summary["gain_over_best_member"], summary["best_member"]["name"]
    score = with_bounds(summary["honest_accuracy"], summary["low"], summary["high"])
    interval = f"{gain['gain']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"
    return f"{summary['method']} of {shares}; honest out-of-fold accuracy {score}, {interval} against {against}"


if __name__ == "__main__":
    run("ensemble", ensemble)
