"""The whole way from raw files to a report in one process: the test of `make quick` that crosses all rooms."""

import json

import pandas as pd

from pipeline import ensemble, predict, report, score, submission, train, tune
from tests.projects import member, to_folds, write_blobs


def test_raw_files_become_a_submission_a_score_and_a_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_blobs(tmp_path / "raw")
    params = to_folds({"m": member("blobs", training={"epochs": 8})}, split={"count": 2})
    for stage in (tune.tune, train.train, predict.predict):
        stage(params, "m")
    for stage in (ensemble.ensemble, submission.submission, score.score):
        stage(params, "blobs")
    report.report(params)
    sample, table = pd.read_csv("raw/sample.csv"), pd.read_csv("submissions/blobs.csv")
    assert list(table.columns) == list(sample.columns)
    assert (table["Id"] == sample["Id"]).all()
    solution = pd.read_csv("raw/solution.csv")
    correct = (table["Label"] == solution["Label"]).mean()
    assert correct > 0.6  # a third by chance
    assert json.loads((tmp_path / "artifacts/blobs/score.json").read_text())["all"]["score"] == correct
    assert "| m " in (tmp_path / "report/summary.md").read_text()
