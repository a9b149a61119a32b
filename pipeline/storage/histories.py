"""The histories of a member's models: a CSV for each model, with a row for each epoch."""

from pathlib import Path

import pandas as pd

from features.labels.metrics.metric import Metric
from pipeline.storage.files import reading

NAN_ACTION = "Lower learning_rate, or set precision: float32."
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


def nan_sentence(histories: dict[str, pd.DataFrame]) -> str:
    """Return which models had a validation loss of NaN in how many epochs, or an empty text.

    Training stops at a training loss that is not finite, so there the network overflows on validation rows alone.

    Args:
        histories: of each model, by its name.
    """
    counts = {
        name: int(history["val_loss"].isna().sum()) for name, history in histories.items() if "val_loss" in history
    }
    listed = ", ".join(f"{name} ({count} of {len(histories[name])} epochs)" for name, count in counts.items() if count)
    return f"validation loss is not a number in {listed}, although training loss is" if listed else ""
