"""Stage `ensemble`: the members of a task blended, with a score that the blending did not touch."""

import numpy as np

from features.ensembling import fit_blend, honest_blend
from features.metrics import accuracy, log_loss
from pipeline import paths
from pipeline.config import Params
from pipeline.contracts import BadInput, align, blame, load_array, load_json, save_json, writing
from pipeline.predictions import Predictions, load_predictions, save_predictions
from pipeline.split import load_folds
from pipeline.stage import run, task_of


def ensemble(params: Params, key: str) -> str:
    """Write the ensemble's weights, temperatures, scores, `oof.npz` and `test.npz`."""
    options, members, folder = task_of(params, key).ensemble, load_json(paths.roster(key)), paths.images(key)
    folds, classes = load_folds(key), load_json(folder / "about.json")["classes"]
    rows = np.flatnonzero(folds >= 0)
    ids, test_ids = load_array(folder / "train_ids.npy")[rows], load_array(folder / "test_ids.npy")
    labels, folds = load_array(folder / "train_labels.npy")[rows], folds[rows]
    oof, test = _stack(key, members, "oof", ids, classes), _stack(key, members, "test", test_ids, classes)
    blend = fit_blend(oof, labels, options.method, options.rounds)
    honest = honest_blend(oof, labels, folds, options.method, options.rounds)
    score = accuracy(honest, labels)
    with writing(paths.ensemble(key)) as part:
        part.mkdir()
        save_predictions(part / "oof.npz", Predictions(ids, honest, classes))
        save_predictions(part / "test.npz", Predictions(test_ids, blend(test), classes))
        summary = {
            "method": options.method,
            "weights": dict(zip(members, blend.weights.tolist(), strict=True)),
            "temperatures": dict(zip(members, blend.temperatures.tolist(), strict=True)),
            "honest_accuracy": score,
            "honest_log_loss": log_loss(honest, labels),
            "standard_error": float(np.sqrt(score * (1 - score) / len(labels))),
            "optimistic_accuracy": accuracy(blend(oof), labels),
        }
        save_json(part / "ensemble.json", summary)
    shares = ", ".join(f"{name} {weight:.2f}" for name, weight in summary["weights"].items())
    return f"{shares}; out-of-fold accuracy {score:.4f}, blends fitted on other folds"


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
