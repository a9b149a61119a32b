"""Stage `ensemble`: the members of a task blended, with a score that the blending did not touch."""

import numpy as np

from features.ensembling import Blend, fit_blend, honest_blend
from features.metrics import accuracy, log_loss, mean_average_precision, set_scores
from features.targets import as_binary, from_binary
from features.thresholds import fit_thresholds, honest_choice
from pipeline import paths
from pipeline.config import Ensemble, Params
from pipeline.contracts import BadInput, align, blame, load_array, load_json, save_json, writing
from pipeline.predictions import Predictions, load_predictions, save_predictions
from pipeline.split import load_folds
from pipeline.stage import run, task_of

PARTS_OF_A_HOLDOUT = 5


def ensemble(params: Params, key: str) -> str:
    """Write the ensemble's weights, temperatures, scores, `oof.npz` and `test.npz`."""
    options, members, folder = task_of(params, key).ensemble, load_json(paths.roster(key)), paths.images(key)
    folds, classes = load_folds(key), load_json(folder / "about.json")["classes"]
    rows = np.flatnonzero(folds >= 0)
    ids, test_ids = load_array(folder / "train_ids.npy")[rows], load_array(folder / "test_ids.npy")
    labels, folds = load_array(folder / "train_labels.npy")[rows], folds[rows]
    oof, test = _stack(key, members, "oof", ids, classes), _stack(key, members, "test", test_ids, classes)
    parts = folds if folds.max() else np.arange(len(rows)) % PARTS_OF_A_HOLDOUT
    blend, honest = _blend(oof, labels, parts, options)
    blended_oof, blended_test = (_apply(blend, each, labels.ndim) for each in (oof, test))
    figures = _of_sets(blended_oof, honest, labels, parts, classes) if labels.ndim == 2 else {}
    score = figures.get("accuracy", accuracy(honest, labels))
    with writing(paths.ensemble(key)) as part:
        part.mkdir()
        save_predictions(part / "oof.npz", Predictions(ids, honest, classes))
        save_predictions(part / "test.npz", Predictions(test_ids, blended_test, classes))
        summary = {
            "method": options.method,
            "weights": dict(zip(members, blend.weights.tolist(), strict=True)),
            "temperatures": dict(zip(members, blend.temperatures.tolist(), strict=True)),
            "honest_accuracy": score,
            "honest_log_loss": log_loss(honest, labels),
            "standard_error": float(np.sqrt(score * (1 - score) / len(labels))),
            "optimistic_accuracy": accuracy(blended_oof, labels),
            **({"sets": figures} if figures else {}),
        }
        save_json(part / "ensemble.json", summary)
    shares = ", ".join(f"{name} {weight:.2f}" for name, weight in summary["weights"].items())
    return f"{shares}; out-of-fold accuracy {score:.4f}, blends fitted on other folds"


def _blend(oof: np.ndarray, labels: np.ndarray, parts: np.ndarray, options: Ensemble) -> tuple[Blend, np.ndarray]:
    """Return the blend of all rows, and honest probabilities (n, classes); of label sets, each label is a row."""
    how = (options.method, options.rounds)
    if labels.ndim == 1:
        return fit_blend(oof, labels, *how), honest_blend(oof, labels, parts, *how)
    count = labels.shape[1]
    oof, labels, parts = as_binary(oof), labels.reshape(-1).astype(int), np.repeat(parts, count)
    return fit_blend(oof, labels, *how), from_binary(honest_blend(oof, labels, parts, *how), count)


def _apply(blend: Blend, probabilities: np.ndarray, label_axes: int) -> np.ndarray:
    if label_axes == 1:
        return blend(probabilities)
    return from_binary(blend(as_binary(probabilities)), probabilities.shape[-1])


def _of_sets(oof: np.ndarray, honest: np.ndarray, labels: np.ndarray, parts: np.ndarray, classes: list) -> dict:
    """Return the thresholds for test rows, and scores of label sets by thresholds that were fitted on other rows."""
    at_least_one = bool(labels.any(axis=1).all())
    thresholds = fit_thresholds(oof, labels)
    return {
        **set_scores(honest_choice(honest, labels, parts, at_least_one), labels),
        "mean_average_precision": mean_average_precision(honest, labels),
        "at_least_one": at_least_one,
        "thresholds": {str(name): float(value) for name, value in zip(classes, thresholds, strict=True)},
    }


def _stack(key: str, members: list[str], split: str, ids: np.ndarray, classes: list) -> np.ndarray:
    """Return every member's probabilities, float32 (members, rows, classes), in the order of `ids`."""
    stacked = []
    for member in members:
        path = paths.predictions(key, member) / f"{split}.npz"
        made = load_predictions(path)
        if made.classes != classes:
            raise BadInput(f"{path}: classes {made.classes}, expected those of the task, {classes}")
        with blame(path):
            stacked.append(made.probabilities[align(ids, made.ids)])
    return np.stack(stacked)


if __name__ == "__main__":
    run("ensemble", ensemble)
