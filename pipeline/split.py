"""`python -m pipeline.split TASK`: write the folds of a task, once for all its members."""

import pandas as pd

from features.labels.folds import ClassTooSmall, assign_folds
from pipeline.config.schema import Params
from pipeline.running.stage import run, task_of
from pipeline.storage import paths
from pipeline.storage.files import BadInput, load_array, writing
from pipeline.storage.images import load_about


def split(params: Params, key: str) -> str:
    """Write `folds.csv` of the task."""
    options, folder = task_of(params, key).split, paths.images(key)
    labels, groups = load_array(folder / "train_labels.npy"), load_array(folder / "train_groups.npy")
    try:
        folds = assign_folds(labels, groups, options.count, options.holdout_share, options.seed)
    except ClassTooSmall as error:
        label = load_about(folder)["classes"][error.index]
        raise BadInput(
            f"{folder}: class {label!r} has {error.rows} distinct images, expected at least {error.needed} "
            f"for tasks.{key}.split.count {options.count}"
        ) from error
    with writing(paths.folds(key)) as part:
        pd.DataFrame({"id": load_array(folder / "train_ids.npy"), "fold": folds}).to_csv(part, index=False)
    sizes = ", ".join(str(int((folds == fold).sum())) for fold in range(options.count))
    return f"{len(folds)} rows in {options.count} fold(s) of {sizes} validation rows"


if __name__ == "__main__":
    run("split", split)
