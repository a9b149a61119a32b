"""A multi-label competition from raw files to a graded submission, in this process."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline import ensemble, ingest, predict, prepare, report, roster, score, split, submission, train, tune
from pipeline.config.schema import load_params
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from pipeline.storage.predictions import Predictions, save_predictions
from pipeline.storage.task_data import TaskData
from tests.projects import member, task, write_params

ROWS, TEST_ROWS = 90, 30
PLACES = {"left": np.s_[2:10, 0:4], "mid": np.s_[2:10, 4:8], "right": np.s_[2:10, 8:12]}


def write_raw(folder, empty_sets=False):
    """Write CSVs of 12x12 images in which each label is a bright bar at its place."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    shown = rng.random((ROWS + TEST_ROWS, 3)) < 0.5
    if not empty_sets:
        shown[~shown.any(axis=1), 1] = True
    images = rng.integers(0, 60, (len(shown), 12, 12))
    for image, row in zip(images, shown, strict=True):
        for place, present in zip(PLACES.values(), row, strict=True):
            image[place] += 180 * present
    table = pd.DataFrame(images.reshape(len(images), -1), columns=[f"pixel{i}" for i in range(144)])
    table.insert(0, "Id", np.arange(len(table)))
    table.insert(1, "Tags", [";".join(np.array(list(PLACES))[row]) for row in shown])
    table[:ROWS].to_csv(folder / "train.csv", index=False)
    table[ROWS:].drop(columns="Tags").to_csv(folder / "test.csv", index=False)
    table[ROWS:][["Id", "Tags"]].assign(Tags="mid").to_csv(folder / "sample.csv", index=False)
    usage = ["Public", "Private", "Private"] * (TEST_ROWS // 3)
    table[ROWS:][["Id", "Tags"]].assign(Usage=usage).to_csv(folder / "solution.csv", index=False)


@pytest.fixture
def bars(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entry = task("raw", split={"count": 2})
    entry["ingest"]["train"] |= {"label_column": "Tags", "label_separator": ";"}
    members = {
        "m": member("bars", training={"epochs": 25}),
        "n": member("bars", training={"epochs": 25, "seed": 1, "label_smoothing": 0.1}),
    }
    write_params(tmp_path, {"bars": entry}, members)
    return load_params(paths.PARAMS)


@pytest.mark.nightly
def test_from_raw_files_to_a_graded_submission(bars, tmp_path):
    write_raw(tmp_path / "raw")
    for stage in (ingest.ingest, prepare.prepare, split.split):
        stage(bars, "bars")
    audit = json.loads((paths.images("bars") / "audit.json").read_text())
    assert set(audit["balance"]) == set(PLACES) and set(audit["labels_per_image"]) == {"1", "2", "3"}
    roster.roster(bars)
    for name in bars.members:
        for stage in (tune.tune, train.train, predict.predict):
            stage(bars, name)
    for stage in (ensemble.ensemble, submission.submission, score.score):
        stage(bars, "bars")
    report.report(bars)
    metrics = json.loads((paths.predictions("bars", "m") / "metrics.json").read_text())
    assert metrics["mean_average_precision"] > 0.9 and metrics["micro_f1"] > 0.8
    decision = json.loads(paths.decision("bars").read_text())["decision"]
    assert decision["rule"] == "thresholds_or_nearest" and len(decision["values"]) == len(PLACES)
    graded = json.loads(paths.score("bars").read_text())
    assert graded["all"]["score"] == graded["sets"]["accuracy"] > 0.8
    assert graded["sets"]["macro_f1"] > 0.8 and set(graded["members"]) == {"m", "n"}
    output = pd.read_csv(paths.submission("bars"))
    assert output["Tags"].notna().all() and output["Tags"].str.contains(";").any()
    assert "mean average precision" in (paths.SUMMARY.parent / "comparison.md").read_text()


def test_the_honest_score_is_by_the_thresholds_of_the_submission(bars, tmp_path):
    write_raw(tmp_path / "raw")
    for stage in (ingest.ingest, prepare.prepare, split.split):
        stage(bars, "bars")
    roster.roster(bars)
    labels, classes = np.load(paths.arrays("bars") / "train_labels.npy"), sorted(PLACES)
    for name in bars.members:  # never above 0.5, but telling
        oof = Predictions(np.arange(ROWS), 0.1 + 0.3 * labels, classes, TaskData("bars").folds)
        save_predictions(paths.predictions("bars", name) / "oof.npz", oof)
        test = Predictions(np.arange(ROWS, ROWS + TEST_ROWS), np.full((TEST_ROWS, 3), 0.4), classes)
        save_predictions(paths.predictions("bars", name) / "test.npz", test)
    ensemble.ensemble(bars, "bars")
    output = json.loads((paths.ensemble("bars") / "ensemble.json").read_text())
    assert output["honest_score"] == output["optimistic_score"] == output["sets"]["accuracy"] == 1
    assert output["best_member"]["score"] == 1


def test_images_without_labels_are_legal(bars, tmp_path):
    write_raw(tmp_path / "raw", empty_sets=True)
    ingest.ingest(bars, "bars")
    labels = np.load(paths.arrays("bars") / "train_labels.npy")
    table = pd.read_csv("raw/train.csv", keep_default_na=False)
    assert (labels.sum(axis=1) == 0).any()
    assert ((labels.sum(axis=1) == 0) == (table["Tags"] == "")).all()


@pytest.mark.parametrize(
    ("tags", "expected"),
    [("left;left", "label 'left' occurs twice in row 3"), ("", "every label set is empty, expected labels")],
)
def test_bad_label_sets(bars, tmp_path, tags, expected):
    write_raw(tmp_path / "raw")
    table = pd.read_csv("raw/train.csv")
    if tags:
        table.loc[3, "Tags"] = tags
    else:
        table["Tags"] = ""
    table.to_csv("raw/train.csv", index=False)
    with pytest.raises(BadInput, match=rf"train\.csv: {expected}"):
        ingest.ingest(bars, "bars")
    assert not paths.arrays("bars").exists()
