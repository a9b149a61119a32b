"""`python -m pipeline.ensemble TASK`: combine the task's members, and score the result on rows not used to fit it."""

from typing import Any

import numpy as np

from features.ensembling import Greedy
from features.honesty import HonestEnsemble, error_correlation, honest_ensemble
from features.labels.intervals import with_bounds
from features.labels.metrics.losses import log_loss
from features.labels.metrics.metric import Metric
from features.labels.metrics.rankings import mean_average_precision
from features.labels.metrics.report import set_scores
from features.labels.metrics.shares import accuracy, hits
from features.labels.parts import scoring_parts
from features.labels.uncertainty import paired_gain, score_with_interval
from pipeline.running.stage import Params, run, task_of
from pipeline.storage import paths
from pipeline.storage.answers import answers_of_test, scored_rows
from pipeline.storage.files import BadInput, blame, save_json, writing
from pipeline.storage.predictions import (
    Predictions,
    load_repeats,
    load_test_models,
    save_predictions,
)
from pipeline.storage.summaries import load_roster
from pipeline.storage.task_data import TaskData
from pipeline.storage.task_metric import load_metric

MOST_LEFT_OUT = 12  # members for each of which an ensemble without it is fitted
FEW = 50  # resamples for each member, of a metric whose interval needs them


def ensemble(params: Params, key: str) -> str:
    """Write the ensemble's weights, temperatures and scores, `oof.npz` and `test.npz`."""
    options, members, data = task_of(params, key).ensemble, load_roster(key), TaskData(key)
    (ids, rows), test_ids = scored_rows(data), answers_of_test(data).ids
    labels, folds = data.labels[rows], data.repeated_folds[rows]
    classes, label_sets, metric = data.classes, data.has_label_sets, load_metric(data)
    oof = np.stack([_out_of_fold(key, member, ids, classes, folds, label_sets) for member in members])
    folders = [paths.predictions(key, member) for member in members]
    tests = [load_test_models(folder, test_ids, classes, label_sets) for folder in folders]
    with blame(f"{paths.folds(key)}, whose held-out rows the ensemble is fitted on"):
        greedy = Greedy(options.rounds, options.bags, options.seed)
        honest = honest_ensemble(oof, labels, folds, options.method, greedy, metric)
    test, gain = honest.ensemble.of_models(tests)
    summary = _summary(honest, members, oof, labels, folds, options.seed, metric)
    summary["averaging_gain_in_log_loss"] = gain
    if 1 < len(members) <= MOST_LEFT_OUT:
        with blame(f"{paths.folds(key)}, whose held-out rows the ensemble is fitted on"):
            gains = _added_by_members(honest, oof, labels, folds, greedy, metric)
        for name, gain_of_member in zip(members, gains, strict=True):
            summary["members"][name]["adds"] = gain_of_member
    with writing(paths.ensemble(key)) as part:
        part.mkdir()
        save_predictions(part / "oof.npz", Predictions(ids, honest.probabilities, classes, folds[:, 0]))
        save_predictions(part / "test.npz", Predictions(test_ids, test, classes))
        save_json(part / "ensemble.json", summary)
    return _summary_line(summary)


def _out_of_fold(
    key: str, member: str, ids: np.ndarray, classes: list, folds: np.ndarray, label_sets: bool
) -> np.ndarray:
    """Return a member's out-of-fold probabilities, float32 (n, repeats, classes), in the order of `ids`.

    Raises:
        BadInput: its ids, classes or `folds` (n, repeats) differ from the task's, or its rows are not probabilities.
    """
    folder = paths.predictions(key, member)
    predictions = load_repeats(folder, ids, classes, label_sets, folds.shape[1])
    for of_repeat, folds_of_repeat in zip(predictions, folds.T, strict=True):
        if of_repeat.folds is None or (of_repeat.folds != folds_of_repeat).any():
            raise BadInput(
                f"{folder / 'oof.npz'}: made with other folds than those of {paths.folds(key)}; rerun stages train, "
                "predict"
            )
    return np.stack([of_repeat.probabilities for of_repeat in predictions], axis=1)


def _summary(
    honest: HonestEnsemble,
    members: list[str],
    oof: np.ndarray,
    labels: np.ndarray,
    folds: np.ndarray,
    seed: int,
    metric: Metric,
) -> dict[str, Any]:
    """Return the content of `ensemble.json`.

    Args:
        honest: the ensemble.
        members: names.
        oof: probabilities (members, n, repeats, classes).
        labels: class indices (n,), or indicators of label sets (n, classes).
        folds: (n, repeats).
        seed: of the bootstrap.
        metric: of the task.
    """
    parts, fitted, oof = scoring_parts(folds[:, 0]), honest.ensemble.of_rows(oof, folds), oof.mean(axis=2)
    predictions = [metric.honest(probabilities, labels, parts) for probabilities in oof]
    together = metric.honest(honest.probabilities, labels, parts)
    scores = [metric.of(prediction, labels) for prediction in predictions]
    best = max(range(len(members)), key=lambda index: metric.gain(scores[index], 0))
    score = score_with_interval(metric, together, labels)
    return {
        "metric": metric.name,
        "method": honest.method,
        "methods": honest.scores,
        "weights": dict(zip(members, honest.ensemble.blend.weights.tolist(), strict=True)),
        "temperatures": dict(zip(members, honest.ensemble.temperatures.tolist(), strict=True)),
        "honest_score": score.pop("score"),
        **score,
        "honest_accuracy": accuracy(honest.probabilities, labels),
        "honest_log_loss": log_loss(honest.probabilities, labels),
        "optimistic_score": metric.best(fitted, labels),
        "decision": metric.fit(fitted, labels).as_json(),
        "best_member": {"name": members[best], **score_with_interval(metric, predictions[best], labels)},
        "gain_over_best_member": paired_gain(metric, together, predictions[best], labels, seed),
        "members": {
            name: {}
            if index == best
            else {"gain_over_best_member": paired_gain(metric, prediction, predictions[best], labels, seed, FEW)}
            for index, (name, prediction) in enumerate(zip(members, predictions, strict=True))
        },
        "error_correlation": dict(
            zip(members, error_correlation(_wrong(metric, predictions, oof, labels)), strict=True)
        ),
        **({"sets": _set_scores(metric, together, honest.probabilities, labels)} if labels.ndim == 2 else {}),
    }


def _added_by_members(
    honest: HonestEnsemble, oof: np.ndarray, labels: np.ndarray, folds: np.ndarray, greedy: Greedy, metric: Metric
) -> list[dict[str, float]]:
    """Return for each member by how much the ensemble is better than one that was fitted without the member."""
    parts = scoring_parts(folds[:, 0])
    together = metric.honest(honest.probabilities, labels, parts)
    gains = []
    for index in range(len(oof)):
        others = honest_ensemble(np.delete(oof, index, axis=0), labels, folds, honest.method, greedy, metric)
        without = metric.honest(others.probabilities, labels, parts)
        gains.append(paired_gain(metric, together, without, labels, greedy.seed, FEW))
    return gains


def _wrong(metric: Metric, predictions: list[np.ndarray], oof: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which rows of each member, bool (members, n), are wrong, by its most probable class if need be."""
    if metric.hits is None:
        return np.stack([~hits(probabilities, labels) for probabilities in oof])
    return np.stack([~metric.right(prediction, labels) for prediction in predictions])


def _set_scores(
    metric: Metric, predicted_sets: np.ndarray, probabilities: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    """Return further scores of label sets, with thresholds that were fitted on other rows."""
    sets = set_scores(predicted_sets, labels) if metric.judges == "decisions" else {}
    return {**sets, "mean_average_precision": mean_average_precision(probabilities, labels)}


def _summary_line(summary: dict[str, Any]) -> str:
    shares = ", ".join(f"{name} {weight:.2f}" for name, weight in summary["weights"].items())
    gain, against = summary["gain_over_best_member"], summary["best_member"]["name"]
    score = with_bounds(summary["honest_score"], summary["low"], summary["high"])
    interval = f"{gain['gain']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"
    line = (
        f"{summary['method']} of {shares}; honest out-of-fold {summary['metric']} {score}, {interval} against {against}"
    )
    if gain["gain"] > 0 or len(summary["weights"]) == 1 or summary["method"] == "best_member":
        return line
    return f"{line}; not better than {against} alone, which 'ensemble: {{method: best_member}}' submits"


if __name__ == "__main__":
    run("ensemble", ensemble)
