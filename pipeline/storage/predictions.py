"""Probabilities with the ids of their rows: what members and ensembles hand on."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.storage.files import BadInput, align, blame, load_json, reading, writing

SOURCES = "sources.json"  # in a member's folder


@dataclass(frozen=True)
class Predictions:
    """Probabilities of a member or an ensemble for some rows."""

    ids: np.ndarray  # (n,) int64 or unicode
    probabilities: np.ndarray  # (n, classes) float32, rows sum to one except in multi-label tasks
    classes: list  # the labels' own values, one a column
    folds: np.ndarray | None = None  # (n,) of out-of-fold rows: whose model it was


def save_predictions(path: Path, predictions: Predictions) -> None:
    """Write an npz of plain arrays."""
    folds = {} if predictions.folds is None else {"folds": predictions.folds}
    with writing(path) as part, part.open("wb") as file:
        np.savez(
            file,
            ids=predictions.ids,
            probabilities=predictions.probabilities.astype(np.float32),
            classes=np.array(predictions.classes),
            **folds,
        )


def load_predictions(path: Path) -> Predictions:
    """Return what `save_predictions` wrote.

    Raises:
        BadInput: the file is not such an npz.
    """
    with reading(path, "a predictions file"), np.load(path, allow_pickle=False) as arrays:
        return Predictions(arrays["ids"], arrays["probabilities"], arrays["classes"].tolist(), arrays.get("folds"))


def load_aligned(path: Path, ids: np.ndarray, classes: list) -> Predictions:
    """Return what `save_predictions` wrote, in the order of `ids`.

    Raises:
        BadInput: the file's ids or classes are others, or it is no such file.
    """
    made = load_predictions(path)
    if made.classes != classes:
        raise BadInput(f"{path}: classes {made.classes}, expected those of the task, {classes}")
    with blame(path):
        order = align(ids, made.ids)
    folds = None if made.folds is None else made.folds[order]
    return replace(made, ids=ids, probabilities=made.probabilities[order], folds=folds)


def load_sources(folder: Path) -> dict[Path, str]:
    """Return each file of a member's test rows, with the hash of the training rows of models that may learn from it."""
    return {folder / name: source for name, source in load_json(folder / SOURCES, dict).items()}
