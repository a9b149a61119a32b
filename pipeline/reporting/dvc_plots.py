"""The data of `dvc plots show`: a folder for each kind of plot, with a file for each member or task.

`dvc.yaml` names the template and the columns of each folder. DVC's page shows the path of a file as the plot's title,
so a file name says if the file has only a part of the data.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from features.labels.metrics.shares import THRESHOLD, hits
from pipeline.storage import paths
from pipeline.storage.answers import scored_rows
from pipeline.storage.histories import fold_histories, metric_column
from pipeline.storage.predictions import load_aligned
from pipeline.storage.task_data import TaskData
from pipeline.storage.task_metric import load_metric

MOST_ROWS = 20_000  # of a confusion matrix: DVC's template counts rows in the browser
MOST_CLASSES = 60  # of a bar chart
BINS = 15
SEED = 0


def save_plots(folder: Path, members: dict[str, list[str]]) -> None:
    """Write the folders `loss`, `score`, `labels`, `confusion` and `reliability`.

    Args:
        folder: an existing folder.
        members: the names of each task's members that have predictions.
    """
    for task, names in members.items():
        data = TaskData(task)
        for name in names:
            _save_curves(folder, data, name)
        if data.folder.exists():
            counts = label_counts(data.labels, data.classes)
            _save_part(folder / "labels", task, counts[:MOST_CLASSES], len(counts), "classes")
        if paths.ensemble(task).exists():
            _save_answers(folder, data)


def _save_curves(folder: Path, data: TaskData, member: str) -> None:
    """Write a member's loss and metric for each epoch: the means of the folds that reached it."""
    epochs = fold_histories(paths.models(data.task, member)).groupby("epoch", as_index=False).mean()
    losses, scores = {"loss": "training", "val_loss": "validation"}, {metric_column(load_metric(data)): "validation"}
    for kind, names in (("loss", losses), ("score", scores)):
        columns = {name: title for name, title in names.items() if name in epochs}  # none of a metric set afterwards
        _save(folder / kind / f"{member}.json", epochs[["epoch", *columns]].rename(columns=columns))


def _save_answers(folder: Path, data: TaskData) -> None:
    """Write the confusion and the reliability of the ensemble, out of fold."""
    ids, rows = scored_rows(data)
    path, labels = paths.ensemble(data.task) / "oof.npz", data.labels[rows]
    oof = load_aligned(path, ids, data.classes, data.has_label_sets).probabilities
    answers = label_answers(oof, labels, data.classes)
    sample = answers.sample(min(len(answers), MOST_ROWS), random_state=SEED).sort_index()
    _save_part(folder / "confusion", data.task, sample, len(answers), "rows")
    _save(folder / "reliability" / f"{data.task}.json", reliability(oof, labels))


def label_counts(labels: np.ndarray, classes: list[int | str]) -> pd.DataFrame:
    """Return the columns `class` and `images`, with the most frequent class first.

    Args:
        labels: class indices (n,), or indicators (n, classes) of label sets.
        classes: their names.
    """
    images = labels.sum(axis=0) if labels.ndim == 2 else np.bincount(labels, minlength=len(classes))
    return pd.DataFrame({"class": classes, "images": images}).sort_values("images", ascending=False, kind="stable")


def label_answers(probabilities: np.ndarray, labels: np.ndarray, classes: list[int | str]) -> pd.DataFrame:
    """Return the columns `actual` and `predicted`, with a row for each image.

    Label sets have a row for each label that an image has or that is predicted with a probability of at least 0.5;
    `predicted` is `found`, `missed` or `false alarm`.

    Args:
        probabilities: (n, classes).
        labels: class indices (n,), or indicators (n, classes) of label sets.
        classes: their names.
    """
    names = np.array(classes)
    if labels.ndim == 1:
        return pd.DataFrame({"actual": names[labels], "predicted": names[probabilities.argmax(axis=1)]})
    predicted, present = probabilities >= THRESHOLD, labels.astype(bool)
    images, columns = np.nonzero(predicted | present)
    states = np.where(present, np.where(predicted, "found", "missed"), "false alarm")
    return pd.DataFrame({"actual": names[columns], "predicted": states[images, columns]})


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Return the mean `confidence` of the rows in each of 15 bins, the share that is `right`, and `rows`.

    The confidence is that of the most probable class. For label sets, each label of each image is a row with its own
    probability, and it is right if the image has the label. `perfect` equals the confidence.

    Args:
        probabilities: (n, classes).
        labels: class indices (n,), or indicators (n, classes) of label sets.
    """
    confidence = probabilities.ravel() if labels.ndim == 2 else probabilities.max(axis=1)
    right = labels.ravel().astype(bool) if labels.ndim == 2 else hits(probabilities, labels)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    table = pd.DataFrame({"confidence": confidence.astype(float), "right": right.astype(float), "rows": 1})
    means = table.groupby(bins).agg({"confidence": "mean", "right": "mean", "rows": "sum"})
    return means.assign(perfect=means["confidence"]).reset_index(drop=True)


def _save_part(folder: Path, task: str, table: pd.DataFrame, whole: int, unit: str) -> None:
    """Write the table. The name of its file says if it is only a part of the whole."""
    part = "" if len(table) == whole else f", {len(table)} of {whole} {unit}"
    _save(folder / f"{task}{part}.json", table)


def _save(path: Path, table: pd.DataFrame) -> None:
    path.parent.mkdir(exist_ok=True)
    table.to_json(path, orient="records", double_precision=6)
