"""The histories of a member's models: a CSV for each model, with a row for each epoch."""

from pathlib import Path

import pandas as pd

from features.labels.metrics.metric import Metric
from pipeline.storage.files import reading

COLUMNS = {"accuracy": "val_accuracy", "log_loss": "val_loss"}  # metrics that each history has anyway


def metric_column(metric: Metric) -> str:
    """Return the column of the history with the task's metric on the validation rows."""
    return COLUMNS.get(metric.name, f"val_{metric.name}")


def fold_histories(folder: Path) -> pd.DataFrame:
    """Return the histories of all folds in a member's folder, as one table with the column `fold`."""
    tables = []
    for path in sorted(folder.glob("fold-*.csv")):
        with reading(path, "a history of epochs"):
            tables.append(pd.read_csv(path).assign(fold=int(path.stem.removeprefix("fold-"))))
    return pd.concat(tables, ignore_index=True)
