"""Stage `ensemble`: the members of a task blended, with a score that the blending did not touch."""

import numpy as np

from features.ensembling import accuracy, blend, fit_weights, honest_blend, log_loss
from pipeline import paths
from pipeline.config import Params
from pipeline.contracts import BadInput, align, blame, load_array, load_json, save_json, writing
from pipeline.predictions import Predictions, load_predictions, save_predictions
from pipeline.split import load_folds
from pipeline.stage import run, task_of


def ensemble(params: Params, key: str) -> str:
    """Write the ensemble's weights, scores, `oof.npz` and `test.npz`."""
    options, members = task_of(params, key).ensemble, load_json(paths.roster(key))
    oof, test = (_stack(key, members, split) for split in ("oof", "test"))
    labels, folds = _truth(key, oof)
    stacked_oof, stacked_test = (np.stack([p.probabilities for p in each]) for each in (oof, test))
    weights = fit_weights(stacked_oof, labels, options.method, options.rounds)
    honest = honest_blend(stacked_oof, labels, folds, options.method, options.rounds)
    score = accuracy(honest, labels)
    with writing(paths.ensemble(key)) as part:
        part.mkdir()
        save_predictions(part / "oof.npz", Predictions(oof[0].ids, honest, oof[0].classes))
        blended = blend(stacked_test, weights)
        save_predictions(part / "test.npz", Predictions(test[0].ids, blended, test[0].classes))
        summary = {
            "method": options.method,
            "weights": dict(zip(members, weights.tolist(), strict=True)),
            "honest_accuracy": score,
            "honest_log_loss": log_loss(honest, labels),
            "standard_error": float(np.sqrt(score * (1 - score) / len(labels))),
            "optimistic_accuracy": accuracy(blend(stacked_oof, weights), labels),
        }
        save_json(part / "ensemble.json", summary)
    shares = ", ".join(f"{name} {weight:.2f}" for name, weight in summary["weights"].items())
    return f"{shares}; out-of-fold accuracy {score:.4f}, weights fitted on other folds"


def _stack(key: str, members: list[str], split: str) -> list[Predictions]:
    """Return every member's predictions, in the order of the first member's ids."""
    made: list[Predictions] = []
    for member in members:
        path = paths.predictions(key, member) / f"{split}.npz"
        each = load_predictions(path)
        first = made[0] if made else each
        if each.classes != first.classes:
            raise BadInput(f"{path}: classes {each.classes} are not those of {members[0]}, {first.classes}")
        with blame(path):
            rows = align(first.ids, each.ids)
        made.append(Predictions(first.ids, each.probabilities[rows], each.classes))
    return made


def _truth(key: str, oof: list[Predictions]) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels and folds of the out-of-fold rows."""
    folder, folds = paths.images(key), load_folds(key)
    ids, labels = load_array(folder / "train_ids.npy"), load_array(folder / "train_labels.npy")
    validated = np.flatnonzero(folds >= 0)
    with blame(paths.folds(key)):
        rows = validated[align(oof[0].ids, ids[validated])]
    return labels[rows], folds[rows]


if __name__ == "__main__":
    run("ensemble", ensemble)
