"""`python -m pipeline.submission TASK`: write the ensemble's test probabilities as a checked submission CSV."""

from pathlib import Path

import numpy as np
import pandas as pd

from features.labels.thresholds import choose
from pipeline.readers.raw import tidy
from pipeline.readers.submissions import read_csv
from pipeline.running.stage import Params, run, task_of
from pipeline.storage import paths
from pipeline.storage.files import align, blame, writing
from pipeline.storage.predictions import Predictions, load_predictions
from pipeline.storage.summaries import load_set_thresholds
from submissions.rules.build import build
from submissions.rules.check import check


def submission(params: Params, key: str) -> str:
    """Write `paths.submission(key)` in the format of the sample submission."""
    table, sample, classes = build_submission(params, key)
    path, separator = paths.submission(key), task_of(params, key).ingest.train.label_separator
    with writing(path) as part, blame(path):
        table.to_csv(part, index=False, lineterminator="\n")
        check(read_csv(part), sample, classes, separator)
    return f"{len(table)} rows, columns {' and '.join(table.columns)}, checked, in {path}"


def build_submission(params: Params, key: str) -> tuple[pd.DataFrame, pd.DataFrame, list]:
    """Return the ensemble's submission, the sample submission, both as texts, and the task's classes."""
    task = task_of(params, key).ingest
    sample_path, test_path = Path(task.folder, task.sample_submission), paths.ensemble(key) / "test.npz"
    sample, test = read_csv(sample_path), load_predictions(test_path, task.train.label_separator is not None)
    with blame(sample_path):
        sample_ids = tidy(sample.iloc[:, 0].to_numpy())
    with blame(f"{test_path} against {sample_path}"):
        rows = align(sample_ids, test.ids)
        label_sets = None if task.train.label_separator is None else _label_sets(key, test)[rows]
        table = build(sample, test.probabilities[rows], test.classes, label_sets, task.train.label_separator or "")
    return table, sample, test.classes


def _label_sets(key: str, test: Predictions) -> np.ndarray:
    """Return the predicted labels of each test row, bool (n, classes), with the thresholds of the ensemble."""
    sets = load_set_thresholds(key)
    thresholds = np.array([sets["thresholds"][str(label)] for label in test.classes])
    return choose(test.probabilities, thresholds, sets["at_least_one"])


if __name__ == "__main__":
    run("submission", submission)
