"""Count a price-sum member's errors by how often the rarest item of an image occurs in the training rows.

    python -m benchmarks.exposure MEMBER

Run it in a folder where `dvc repro` has written the member's predictions. For a validation row, the training rows of
its fold count. A test image is predicted by the models of all folds, so all training rows count. With a single
hold-out, both are the same rows.
"""

import sys

import numpy as np
import pandas as pd

from benchmarks import results
from benchmarks.records import right_classes
from features.images.audit import item_numbers
from pipeline.config.schema import load_params
from pipeline.reporting.tables import markdown
from pipeline.storage import paths
from pipeline.storage.files import load_array
from pipeline.storage.predictions import load_aligned
from pipeline.storage.task_data import TaskData

OFTEN = 3  # times; rows with more are counted together


def main() -> None:
    """Print a row for each number of occurrences."""
    params, key = load_params(paths.PARAMS), sys.argv[1]
    task = params.members[key].task
    folds, (train, test) = TaskData(task).folds, _items(task)
    times = np.full(len(train), -1)
    for fold in range(folds.max() + 1):
        times[folds == fold] = _times(train[folds != fold], train[folds == fold])
    fold_training = train if folds.max() else train[folds != 0]
    labels = load_array(paths.images(task) / "train_labels.npy")
    held_out = _wrong(task, key, "oof", labels, folds >= 0)
    tested = _wrong(task, key, "test", right_classes(params, task), np.full(len(test), True))
    items_by_rows = {"held-out": (times[folds >= 0], held_out), "test": (_times(fold_training, test), tested)}
    print(markdown(_table(items_by_rows)))
    results.write("exposure", [{"task": task, "member": key, **row} for row in _rows(items_by_rows)])


def _items(task: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for every item of the training and test images (n, items). Equal pixels have equal numbers."""
    return item_numbers(*(load_array(paths.images(task) / f"{rows}_items.npy") for rows in ("train", "test")))


def _times(train_items: np.ndarray, test_items: np.ndarray) -> np.ndarray:
    """Return how often the rarest item of each image of `judged` occurs in `train_items`, at most `OFTEN`."""
    times = np.bincount(train_items.ravel(), minlength=test_items.max() + 1)
    return np.minimum(times[test_items].min(axis=1), OFTEN)


def _wrong(task: str, key: str, rows: str, labels: np.ndarray, test_items: np.ndarray) -> np.ndarray:
    """Return whether the member's prediction is wrong, for each row of the mask `judged`."""
    images = paths.images(task)
    ids = load_array(images / f"{'train' if rows == 'oof' else rows}_ids.npy")[test_items]
    predictions = load_aligned(paths.predictions(task, key) / f"{rows}.npz", ids, TaskData(task).classes)
    return predictions.probabilities.argmax(axis=1) != labels[test_items]


def _table(items_by_rows: dict[str, tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    table = []
    for least in range(OFTEN + 1):
        row = {"times the rarest item was seen": f"{least} or more" if least == OFTEN else str(least)}
        for rows, (times, wrong) in items_by_rows.items():
            wrong_with_count = wrong[times == least]
            row[f"{rows} images"] = f"{len(wrong_with_count):,}"
            row[f"{rows} errors"] = (
                f"{wrong_with_count.sum()} ({100 * wrong_with_count.mean():.2f} %)" if len(wrong_with_count) else "-"
            )
        table.append(row)
    return pd.DataFrame(table)


def _rows(items_by_rows: dict[str, tuple[np.ndarray, np.ndarray]]) -> list[dict]:
    """Return the rows of results, one for each number of times."""
    return [
        {
            "rows": rows.replace("-", " "),
            "times_seen": f"{least} or more" if least == OFTEN else least,
            "images": int((times == least).sum()),
            "errors": int(wrong[times == least].sum()),
        }
        for least in range(OFTEN + 1)
        for rows, (times, wrong) in items_by_rows.items()
    ]


if __name__ == "__main__":
    main()
