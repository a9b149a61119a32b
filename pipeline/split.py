"""`python -m pipeline.split TASK`: write the folds of a task, once for all its members."""

import numpy as np
import pandas as pd

from features.labels.folds import ALWAYS_TRAINING, assign_folds
from features.labels.grouped_folds import assign_grouped_folds, assign_latest_rows
from features.labels.groups import first_rows, join_copies, most_copies
from pipeline.config.errors import quote
from pipeline.config.schema import Folds, Params
from pipeline.running.stage import run, task_of
from pipeline.storage import paths
from pipeline.storage.columns import load_answers, load_column
from pipeline.storage.files import blame, writing
from pipeline.storage.task_data import TaskData

SEEDS = 2**32  # legal ones


def split(params: Params, key: str) -> str:
    """Write `folds.csv` of the task.

    Raises:
        BadInput: a column is missing, or its values do not allow such folds.
    """
    options, data = task_of(params, key).split, TaskData(key)
    groups, remark = _groups(options, data)
    with blame(data.folder):
        columns = {name: _folds(options, data, groups, repeat) for repeat, name in enumerate(_names(options.repeats))}
    with writing(paths.folds(key)) as part:
        pd.DataFrame({"id": data.train_ids, **columns}).to_csv(part, index=False)
    folds = columns["fold"]
    sizes = ", ".join(str(int((folds == fold).sum())) for fold in range(options.count))
    repeats = f", with other folds in {options.repeats} repeats" if options.repeats > 1 else ""
    counts = f"{len(folds)} rows in {options.count} fold(s) of {sizes} validation rows{repeats}"
    return f"{counts}{remark}{_unscored(options, folds)}"


def _names(repeats: int) -> list[str]:
    """Return the names of the repeats' columns in `folds.csv`: fold, fold_2, fold_3 ..."""
    return ["fold", *(f"fold_{number}" for number in range(2, repeats + 1))]


def _groups(options: Folds, data: TaskData) -> tuple[np.ndarray, str]:
    """Return the first row (n,) of each row's group, and a remark.

    Copies and near-copies of an image join groups, but not to groups that are too large for folds.
    """
    groups, limit, remark = data.groups, most_copies(len(data.groups)), ""
    if options.group_column is not None:
        groups = first_rows(load_column(data.task, "train", options.group_column, data.train_ids))
        limit = max(limit, 2 * int(np.bincount(groups).max()))  # any two groups can be joined
        remark = f"; {len(np.unique(groups))} groups of {options.group_column} stay together"
    answers = load_answers(data.task, "train", data.train_ids)
    if answers is not None:
        groups, _ = join_copies(groups, first_rows(answers), len(groups))
        limit = max(limit, 2 * int(np.bincount(groups).max()))
    groups, unused = join_copies(groups, data.groups if data.near_copies is None else data.near_copies, limit)
    return groups, remark + (f"; {len(unused)} groups of copies are too large and do not" if unused else "")


def _folds(options: Folds, data: TaskData, groups: np.ndarray, repeat: int) -> np.ndarray:
    """Return the folds (n,) of a repeat, numbered after those of the repeats before it."""
    if options.time_column is not None:
        texts = load_column(data.task, "train", options.time_column, data.train_ids)
        return assign_latest_rows(_times(texts, options.time_column), groups, options.holdout_share)
    has_groups = options.group_column is not None or load_answers(data.task, "train", data.train_ids) is not None
    assign = assign_grouped_folds if has_groups else assign_folds
    seed = (options.seed + repeat) % SEEDS
    folds = assign(data.labels, groups, options.count, options.holdout_share, seed)
    return np.where(folds == ALWAYS_TRAINING, folds, folds + repeat * options.count)


def _times(texts: np.ndarray, name: str) -> np.ndarray:
    """Return numbers (n,) float64 that are larger for later rows, from numbers or dates."""
    numbers = pd.to_numeric(pd.Series(texts), errors="coerce")
    if numbers.isna().any():
        dates = pd.to_datetime(pd.Series(texts), errors="coerce", format="mixed", utc=True)
        if dates.isna().any():
            bad = texts[int(dates.isna().to_numpy().argmax())]
            raise ValueError(f"time_column {quote(name)} has the value {quote(bad)}, expected a number or a date")
        numbers = (dates - dates.min()).dt.total_seconds()
    return numbers.to_numpy(float)


def _unscored(options: Folds, folds: np.ndarray) -> str:
    rows = int((folds == ALWAYS_TRAINING).sum())
    if options.count == 1:
        return f"; {rows} rows train"
    return f"; {rows} more, of classes with too few images, train in every fold and are not scored" if rows else ""


if __name__ == "__main__":
    run("split", split)
