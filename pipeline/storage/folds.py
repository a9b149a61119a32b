"""The folds of a task, as `split` wrote them."""

import numpy as np
import pandas as pd

from pipeline.storage import paths
from pipeline.storage.checkpoint import digest
from pipeline.storage.files import BadInput, align, load_array, load_json, reading


def load_folds(key: str) -> np.ndarray:
    """Return the fold (n,) of every training row, in the order of the task's images."""
    path, ids = paths.folds(key), load_array(paths.images(key) / "train_ids.npy")
    with reading(path, "a CSV of ids and folds"):
        table = pd.read_csv(path, dtype={"id": str if ids.dtype.kind == "U" else int, "fold": int})
        return table["fold"].to_numpy()[align(ids, table["id"].to_numpy(ids.dtype))]


def check_folds(task: str, key: str) -> None:
    """Refuse models of other folds: they would have seen rows that they are scored on."""
    path = paths.models(task, key) / "run.json"
    if load_json(path, {"folds": str})["folds"] != digest([], [paths.folds(task)]):
        raise BadInput(f"{path}: trained on other folds than those of {paths.folds(task)}; rerun stage train")
