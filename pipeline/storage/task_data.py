"""The data of a task after `prepare` and `split`."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.storage import paths
from pipeline.storage.checkpoint import digest
from pipeline.storage.files import align, load_array, load_json, reading


@dataclass(frozen=True)
class TaskData:
    """A task's images, labels, ids and folds. Arrays are memory-mapped. A file is opened when it is first needed.

    Raises:
        BadInput: from a property whose file is damaged.
    """

    task: str

    @property
    def folder(self) -> Path:
        """The folder that `prepare` writes."""
        return paths.images(self.task)

    @cached_property
    def about(self) -> dict[str, Any]:
        """The classes, the shape of an image, and the block `items` or None."""
        return load_json(self.folder / "about.json", {"classes": list, "image": list})

    @property
    def classes(self) -> list[int | str]:
        """The label of each column of probabilities."""
        return self.about["classes"]

    @property
    def items(self) -> dict[str, Any]:
        """The block `items` of the task's entry, empty if there is none."""
        return self.about["items"] or {}

    @cached_property
    def labels(self) -> np.ndarray:
        """Class indices (n,), or indicators (n, classes) of label sets."""
        return load_array(self.folder / "train_labels.npy")

    @property
    def has_label_sets(self) -> bool:
        """Whether an image can have several labels."""
        return self.labels.ndim == 2

    @cached_property
    def train_ids(self) -> np.ndarray:
        """Ids (n,) of the training rows, int64 or unicode."""
        return load_array(self.folder / "train_ids.npy")

    @cached_property
    def test_ids(self) -> np.ndarray:
        """Ids (m,) of the test rows, int64 or unicode."""
        return load_array(self.folder / "test_ids.npy")

    @cached_property
    def groups(self) -> np.ndarray:
        """For each training row (n,), the first row with the same image. Such rows stay in one fold."""
        return load_array(self.folder / "train_groups.npy")

    @cached_property
    def near_copies(self) -> np.ndarray | None:
        """For each training row (n,), the first row of which it is a near-copy; None if `prepare` has not looked."""
        path = self.folder / "train_near_copies.npy"
        return load_array(path) if path.exists() else None

    @property
    def folds(self) -> np.ndarray:
        """The fold (n,) of each training row, or -1 for a row that trains in every fold and is not scored.

        With repeats, these are the folds of the first one.
        """
        return self.repeated_folds[:, 0]

    @cached_property
    def repeated_folds(self) -> np.ndarray:
        """The fold (n, repeats) of each training row in each repeat. A fold's number occurs in one column only."""
        import pandas as pd

        path, ids = paths.folds(self.task), self.train_ids
        with reading(path, "a CSV of ids and folds"):
            types = defaultdict(lambda: int, id=str if ids.dtype.kind == "U" else int)
            table = pd.read_csv(path, dtype=types)
            columns = [name for name in table if name == "fold" or name.startswith("fold_")]
            return table[columns or ["fold"]].to_numpy()[align(ids, table["id"].to_numpy(ids.dtype))]

    @property
    def fold_count(self) -> int:
        """The number of folds of all repeats, each of which has a model."""
        return int(self.repeated_folds.max()) + 1

    def training_rows(self, fold: int) -> np.ndarray:
        """Return the rows (k,) that train the model of a fold."""
        return np.flatnonzero((self.repeated_folds != fold).all(axis=1))

    def validation_rows(self, fold: int) -> np.ndarray:
        """Return the rows (k,) that the model of a fold is validated on."""
        return np.flatnonzero((self.repeated_folds == fold).any(axis=1))

    def images(self, split: str, kind: str = "images") -> np.ndarray:
        """Return the `images` uint8 (n, height, width, channels), or `items` (n, count, ...), of `train` or `test`."""
        return load_array(self.folder / f"{split}_{kind}.npy")

    def columns(self, split: str) -> np.ndarray | None:
        """Return the table's columns, float32 (n, columns) with NaN, of `train` or `test`; None if there are none."""
        return load_array(self.folder / f"{split}_columns.npy") if "columns" in self.about else None

    @property
    def is_category(self) -> list[bool]:
        """Whether each of the table's columns has numbers of categories."""
        return [bool(texts) for texts in self.about["columns"]["categories"]]

    def statistics(self, kind: str = "images") -> dict[str, list[float]]:
        """Return mean and standard deviation of each channel of the training `images` or `items`."""
        return load_json(self.folder / "statistics.json", {kind: {"mean": list, "std": list}})[kind]

    def pixel_mean(self, kind: str = "images") -> np.ndarray:
        """Return the mean training image, float32 (height, width, channels)."""
        return load_array(self.folder / f"{kind}_mean.npy")

    def source(self, rows: np.ndarray) -> str:
        """Return a hash of training rows and of their data. It is equal for the same rows of the same data."""
        return digest([np.sort(rows).tolist()], [self.folder / "statistics.json"])
