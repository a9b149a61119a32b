"""Each entry of docs/competitions takes tiny raw files to a submission that the competition's own rule grades.

The network, the stored size of the images and the number of folds are small here. All else is the entry's.
"""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipeline import ensemble, ingest, predict, prepare, roster, score, split, submission, train, tune
from pipeline.config.schema import load_params
from pipeline.storage import paths
from tests.competitions import graders, raw_files
from tests.projects import ROOT, member

ENTRIES = ROOT / "docs" / "competitions"
SHORT_SIDE = 24
IN_MAKE_TEST = ("aptos2019-blindness-detection", "hotel-id-2021-fgvc8")
ALL = [
    pytest.param(name, marks=pytest.mark.slow if name in IN_MAKE_TEST else pytest.mark.nightly)
    for name in sorted(raw_files.WRITERS)
]


def test_each_competition_has_an_entry_that_loads():
    assert sorted(path.stem for path in ENTRIES.glob("*.yaml")) == sorted(raw_files.WRITERS) == sorted(graders.GRADERS)
    for path in ENTRIES.glob("*.yaml"):
        params = load_params(path)
        (task,) = params.tasks.values()
        assert task.competition == path.stem
        assert task.ingest.folder == f"data/raw/{path.stem}"
        assert len(params.members) == 2


def tiny_params(name: str):
    """Return the entry's task with a tiny member, as `params.yaml` in the working folder, and the task's name."""
    tree = yaml.safe_load((ENTRIES / f"{name}.yaml").read_text(encoding="utf-8"))
    ((key, task),) = tree["tasks"].items()
    image = task["ingest"].get("image")
    if image:
        scale = SHORT_SIDE / min(image[:2])
        task["ingest"]["image"] = [round(scale * side) for side in image[:2]] + image[2:]
    task["split"]["count"] = min(2, task["split"]["count"])
    tree["members"] = {"m": member(key, training={"epochs": 3})}
    Path("params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    return load_params(paths.PARAMS), key


@pytest.mark.parametrize("name", ALL)
def test_raw_files_become_a_submission_with_the_score_of_the_competitions_grader(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "raw" / name
    answers = raw_files.write(name, folder)
    answers.to_csv(folder / "solution.csv", index=False)
    params, key = tiny_params(name)
    for stage in (ingest.ingest, prepare.prepare, split.split):
        stage(params, key)
    roster.roster(params)
    for stage in (tune.tune, train.train, predict.predict):
        stage(params, "m")
    for stage in (ensemble.ensemble, submission.submission, score.score):
        stage(params, key)

    (sample_path,) = folder.glob("*sample_submission.csv")
    sample, table = (pd.read_csv(path, dtype=str) for path in (sample_path, paths.submission(key)))
    assert list(table.columns) == list(sample.columns)
    assert table.iloc[:, 0].tolist() == sample.iloc[:, 0].tolist()
    expected = graders.grade(name, pd.read_csv(folder / "solution.csv", dtype=str), table.fillna(""))
    graded = json.loads(paths.score(key).read_text())
    assert graded["all"]["score"] == pytest.approx(expected, abs=1e-6)
