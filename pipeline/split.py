"""`python -m pipeline.split TASK`: write the folds of a task, once for all its members."""

import numpy as np
import pandas as pd

from features.labels.folds import assign_folds, rows_of_small_classes
from pipeline.config.schema import Folds, Params
from pipeline.running.stage import run, task_of
from pipeline.storage import paths
from pipeline.storage.files import blame, writing
from pipeline.storage.task_data import TaskData


def split(params: Params, key: str) -> str:
    """Write `folds.csv` of the task."""
    options, data = task_of(params, key).split, TaskData(key)
    labels, groups = data.labels, data.groups
    with blame(data.folder):
        folds = assign_folds(labels, groups, options.count, options.holdout_share, options.seed)
    with writing(paths.folds(key)) as part:
        pd.DataFrame({"id": data.train_ids, "fold": folds}).to_csv(part, index=False)
    sizes = ", ".join(str(int((folds == fold).sum())) for fold in range(options.count))
    return f"{len(folds)} rows in {options.count} fold(s) of {sizes} validation rows{_remark(labels, groups, options)}"


def _remark(labels: np.ndarray, groups: np.ndarray, options: Folds) -> str:
    rows = len(rows_of_small_classes(labels, groups, options.count))
    return f"; {rows} more, of classes with too few images, train in every fold and are not scored" if rows else ""


if __name__ == "__main__":
    run("split", split)
