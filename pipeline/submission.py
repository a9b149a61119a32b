"""`python -m pipeline.submission TASK`: write the ensemble's test probabilities as a checked submission CSV."""

from pathlib import Path

import pandas as pd

from pipeline.readers.submissions import Sample, read_csv, read_sample, submission_form
from pipeline.running.stage import Params, run, task_of
from pipeline.storage import paths
from pipeline.storage.files import align, blame, writing
from pipeline.storage.predictions import load_predictions
from pipeline.storage.summaries import load_decision
from pipeline.storage.task_data import TaskData
from submissions.rules.build import build
from submissions.rules.check import check
from submissions.rules.forms import Form


def submission(params: Params, key: str) -> str:
    """Write `paths.submission(key)` in the form of the sample submission."""
    table, sample, form = build_submission(params, key)
    path = paths.submission(key)
    save_submission(path, table, sample, form)
    return f"{len(table)} rows, {form.line()}, checked, in {path}"


def save_submission(path: Path, table: pd.DataFrame, sample: Sample, form: Form) -> None:
    """Write a submission and read it back to check it.

    Raises:
        BadInput: the competition would refuse it.
    """
    with writing(path) as part, blame(path):
        table.to_csv(part, index=False, lineterminator="\n")
        check(read_csv(part), sample.table, form)


def build_submission(params: Params, key: str, member: str | None = None) -> tuple[pd.DataFrame, Sample, Form]:
    """Return the submission of a task's ensemble, or of one member alone, as texts, with the sample and its form."""
    task, data = task_of(params, key), TaskData(key)
    folder = paths.ensemble(key) if member is None else paths.predictions(key, member)
    sample, test = read_sample(task), load_predictions(folder / "test.npz", data.has_label_sets)
    decision = load_decision(paths.decision(key, member))
    form, metric = submission_form(key, task, sample, test.classes, data.has_label_sets)
    with blame(f"{folder / 'test.npz'} against {sample.path}"):
        rows = align(sample.ids, test.ids)
        table = build(sample.table, form, test.probabilities[rows], metric, decision)
    return table, sample, form


if __name__ == "__main__":
    run("submission", submission)
