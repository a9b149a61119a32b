"""The whole way from raw files to a report in one process, and which stage opens which files.

This is the test of `make quick` that crosses all rooms.
"""

import json
import os
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipeline import ensemble, ingest, predict, prepare, report, roster, score, split, submission, train, tune
from pipeline.config.schema import load_params
from tests.projects import member, task, write_blobs, write_params

TEST_IMAGES = {"raw/test.csv", "artifacts/blobs/arrays/test_images.npy", "artifacts/blobs/images/test_images.npy"}


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Return a function that runs a stage and returns the files that it opened, relative to the working folder."""
    monkeypatch.chdir(tmp_path)
    paths: list[str] | None = None

    def note(event, arguments):
        if event == "open" and paths is not None and isinstance(arguments[0], str | os.PathLike):
            paths.append(str(Path(arguments[0]).absolute()))

    def run(stage, *arguments):
        nonlocal paths
        paths = []
        stage(*arguments)
        seen, paths = paths, None
        return {str(Path(path).relative_to(tmp_path)) for path in seen if path.startswith(f"{tmp_path}/")}

    sys.addaudithook(note)  # it stays for ever, and notes nothing after the test
    return run


def test_raw_files_become_a_report_and_only_some_stages_see_test_images_and_answers(tmp_path, opened):
    write_blobs(tmp_path / "raw")
    write_params(tmp_path, {"blobs": task("raw", split={"count": 2})}, {"m": member("blobs", training={"epochs": 8})})
    params = load_params(tmp_path / "params.yaml")
    files = {
        **{stage: opened(stage, params, "blobs") for stage in (ingest.ingest, prepare.prepare, split.split)},
        roster.roster: opened(roster.roster, params),
        **{stage: opened(stage, params, "m") for stage in (tune.tune, train.train, predict.predict)},
        **{stage: opened(stage, params, "blobs") for stage in (ensemble.ensemble, submission.submission, score.score)},
        report.report: opened(report.report, params),
    }
    seeing = {stage for stage in files if files[stage] & TEST_IMAGES}
    assert seeing == {
        ingest.ingest,
        prepare.prepare,
        predict.predict,
        report.report,
    }  # which shows them
    assert {stage for stage in files if "raw/solution.csv" in files[stage]} == {score.score}

    sample, table = pd.read_csv("raw/sample.csv"), pd.read_csv("submissions/blobs.csv")
    assert list(table.columns) == list(sample.columns)
    assert (table["Id"] == sample["Id"]).all()
    correct = (table["Label"] == pd.read_csv("raw/solution.csv")["Label"]).mean()
    assert correct > 0.6  # a third by chance
    assert json.loads((tmp_path / "artifacts/blobs/score.json").read_text())["all"]["score"] == correct
    assert "| m " in (tmp_path / "report/summary.md").read_text()
