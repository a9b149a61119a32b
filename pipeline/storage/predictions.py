"""Probabilities with the ids of their rows: the output of members and ensembles."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.storage.files import BadInput, align, blame, load_json, reading, writing

SOURCES = "sources.json"  # in a member's folder
FOLD_TEST = re.compile(r"test_fold-(\d+)\.npz")
ROUNDING = 1e-3  # how far the sum of a float32 row, averaged over views, may be from 1


@dataclass(frozen=True)
class Predictions:
    """Probabilities of a member or an ensemble for some rows."""

    ids: np.ndarray  # (n,) int64 or unicode
    probabilities: np.ndarray  # (n, classes) float32, rows sum to one except in multi-label tasks
    classes: list  # the label of each column
    folds: np.ndarray | None = None  # (n,) for out-of-fold rows: the fold of the model that predicted the row


def save_predictions(path: Path, predictions: Predictions) -> None:
    """Write an npz file of plain arrays."""
    folds: dict[str, Any] = {} if predictions.folds is None else {"folds": predictions.folds}
    with writing(path) as part, part.open("wb") as file:
        np.savez(
            file,
            ids=predictions.ids,
            probabilities=predictions.probabilities.astype(np.float32),
            classes=np.array(predictions.classes),
            **folds,
        )


def load_predictions(path: Path, label_sets: bool = False) -> Predictions:
    """Return the predictions that `save_predictions` wrote.

    Args:
        path: the file.
        label_sets: whether rows are sets of labels. If not, each row sums to one.

    Raises:
        BadInput: the file is not such an npz, shapes do not match, or a row does not contain probabilities.
    """
    with reading(path, "a predictions file"), np.load(path, allow_pickle=False) as arrays:
        predictions = Predictions(
            arrays["ids"], arrays["probabilities"], arrays["classes"].tolist(), arrays.get("folds")
        )
    with blame(path):
        _check_shapes(predictions)
        _check_rows(predictions, label_sets)
    return predictions


def _check_shapes(predictions: Predictions) -> None:
    ids, probabilities, classes = predictions.ids, predictions.probabilities, predictions.classes
    if ids.ndim != 1 or not isinstance(classes, list) or probabilities.shape != (len(ids), len(classes)):
        columns = len(classes) if isinstance(classes, list) else 1
        raise ValueError(
            f"probabilities of shape {probabilities.shape}, expected {(ids.size, columns)}, a row for each id and a "
            "column for each class"
        )
    if probabilities.dtype.kind != "f":
        raise ValueError(f"probabilities are of type {probabilities.dtype}, expected float32")
    if predictions.folds is not None and predictions.folds.shape != ids.shape:
        raise ValueError(f"folds of shape {predictions.folds.shape}, expected {ids.shape}, one an id")


def _check_rows(predictions: Predictions, label_sets: bool) -> None:
    probabilities = predictions.probabilities
    legal = (probabilities >= 0) & (probabilities <= 1 + ROUNDING)  # False for NaN
    if not legal.all():
        row, column = np.argwhere(~legal)[0]
        raise ValueError(
            f"id {predictions.ids[row]} has probability {probabilities[row, column]:g} of class "
            f"{predictions.classes[column]}, expected a number within 0..1"
        )
    sums = probabilities.sum(axis=1)
    wrong = np.abs(sums - 1) > ROUNDING
    if not label_sets and wrong.any():
        row = wrong.argmax()
        raise ValueError(f"the probabilities of id {predictions.ids[row]} sum to {sums[row]:.4f}, expected 1")


def load_aligned(path: Path, ids: np.ndarray, classes: list, label_sets: bool = False) -> Predictions:
    """Return the predictions that `save_predictions` wrote, in the order of `ids`.

    Raises:
        BadInput: the file has other ids or classes, or is not a predictions file.
    """
    predictions = load_predictions(path, label_sets)
    if predictions.classes != classes:
        raise BadInput(f"{path}: {_difference(predictions.classes, classes)}; rerun the stage that makes it")
    with blame(path):
        order = align(ids, predictions.ids)
    folds = None if predictions.folds is None else predictions.folds[order]
    return replace(predictions, ids=ids, probabilities=predictions.probabilities[order], folds=folds)


def _difference(classes: list, expected: list) -> str:
    if len(classes) != len(expected):
        return f"{len(classes)} classes, expected the {len(expected)} of the task"
    pairs = enumerate(zip(classes, expected, strict=True))
    column, actual_class, class_of_task = next((i, a, b) for i, (a, b) in pairs if a != b)
    return f"class {column} (counted from 0) is {_short(actual_class)}, expected {_short(class_of_task)} as in the task"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def load_test_models(folder: Path, ids: np.ndarray, classes: list, label_sets: bool) -> np.ndarray:
    """Return the test probabilities of each of a member's models, in the order of `ids`.

    Returns:
        float32 (folds, n, classes), or (1, n, classes) if one model was trained on all rows.

    Raises:
        BadInput: a file has other ids or classes, or is not a predictions file.
    """
    numbers = sorted(int(match[1]) for path in folder.iterdir() if (match := FOLD_TEST.fullmatch(path.name)))
    names = [fold_test(number) for number in numbers] or ["test.npz"]
    return np.stack([load_aligned(folder / name, ids, classes, label_sets).probabilities for name in names])


def load_repeats(folder: Path, ids: np.ndarray, classes: list, label_sets: bool, repeats: int) -> list[Predictions]:
    """Return a member's out-of-fold predictions of each repeat of the folds, in the order of `ids`.

    Raises:
        BadInput: a file has other ids or classes, or is not a predictions file.
    """
    names = ["oof.npz"] if repeats == 1 else [repeat_oof(repeat) for repeat in range(repeats)]
    return [load_aligned(folder / name, ids, classes, label_sets) for name in names]


def repeat_oof(repeat: int) -> str:
    """Return the name of the file with the out-of-fold probabilities of one repeat, if there are several."""
    return f"oof_repeat-{repeat}.npz"


def fold_test(fold: int) -> str:
    """Return the name of the file with the test probabilities of one fold's model."""
    return f"test_fold-{fold}.npz"


def load_sources(folder: Path) -> dict[Path, str]:
    """Return the files of a member's test predictions.

    The value of each path is a hash of training rows: only models with the same training rows may learn from the file.
    """
    return {folder / name: source for name, source in load_json(folder / SOURCES, dict).items()}
