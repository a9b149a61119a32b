"""Write the figures of a finished `dvc repro` as rows of results.

    python -m benchmarks.report_rows QUESTION [TASK ...]

Run it in the project's folder after the stage `report`, with the params.yaml that the question names
(`benchmarks/questions.yaml`). It writes the out-of-fold and test scores of all members and ensembles, for the named
tasks or for all. PFLOP and seconds are those of a member's folds: three times the forward pass for every image of every
epoch.
"""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import results
from pipeline.config.schema import load_params
from pipeline.storage import paths
from pipeline.storage.task_data import TaskData

SCORES = {
    "out-of-fold score": "out of fold",
    "test score": "test",
    "public score": "public",
    "private score": "private",
}
EPOCHS = {
    "none": "last epoch",
    "metric": "best validation score",
    "val_loss": "best validation loss",
    "val_accuracy": "best validation accuracy",
}


def main() -> None:
    """Write the rows and name the file."""
    question, *tasks = sys.argv[1:]
    report = pd.concat([pd.read_csv(paths.SUMMARY.with_name(name)) for name in ("summary.csv", "comparison.csv")])
    report = report[report["task"].isin(tasks or report["task"])]
    rows = [row for line in report.to_dict("records") for row in _rows(line)]
    print(results.write(question, rows))


def _rows(line: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a row for each score of a line of the report."""
    shared = {"task": line["task"], "member": line["member"], "seeds": 1, **_training(line)}
    for column, rows in SCORES.items():
        if pd.notna(line.get(column)):
            interval = {end: line[f"{column} {end}"] for end in ("low", "high")}
            yield {**shared, "rows": rows, "accuracy": line[column], **interval}


def _training(line: dict[str, Any]) -> dict[str, Any]:
    """Return the settings and the cost of a member's training; nothing for an ensemble."""
    if pd.isna(line.get("MFLOPs per image")):
        return {}
    folds, member = TaskData(line["task"]).folds, load_params(paths.PARAMS).members[line["member"]]
    validated = np.bincount(folds[folds >= 0])
    images = (len(folds) - validated).sum() * line["epochs"]
    return {
        "parameters": line["parameters"],
        "epochs": line["epochs"],
        "epoch_seconds": line["seconds per epoch"],
        "pflop": 3 * line["MFLOPs per image"] * 1e6 * images / 1e15,
        "seconds": line["seconds per epoch"] * line["epochs"] * len(validated),
        "epoch_selection": EPOCHS[member.training.monitor],
    }


if __name__ == "__main__":
    main()
