"""Several images with one answer: one probability, one row of the submission, one row of the score."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from features.labels.answers import combine
from pipeline import ensemble, ingest, predict, prepare, roster, score, split, submission, train, tune
from pipeline.config.schema import load_params
from pipeline.storage import paths
from pipeline.storage.answers import answers_of_test, out_of_fold_answers
from pipeline.storage.columns import load_answers
from pipeline.storage.files import BadInput, load_json
from pipeline.storage.predictions import load_predictions
from pipeline.storage.task_data import TaskData
from tests.projects import member, task, write_params

P = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32)


def test_mean_and_maximum_by_hand():
    answers = np.array([1, 0, 1])
    np.testing.assert_allclose(combine(P, answers, "mean", False), [[0.2, 0.8], [0.75, 0.25]], atol=1e-6)
    np.testing.assert_allclose(combine(P, answers, "max", False), [[0.2, 0.8], [0.6, 0.4]], atol=1e-6)
    np.testing.assert_allclose(combine(P, answers, "max", True), [[0.2, 0.8], [0.9, 0.4]], atol=1e-6)
    three = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]], np.float32)
    largest = np.array([0.5, 0.3, 0.8])
    np.testing.assert_allclose(combine(three, np.zeros(2, int), "max", False), [largest / 1.6], atol=1e-6)
    both = combine(np.stack([P, P[::-1]]), answers, "mean", False)
    assert both.shape == (2, 2, 2) and np.allclose(both[0], combine(P, answers, "mean", False))


def write_breasts(folder: Path):
    """Write two pictures of each breast of 12 patients and 4 test patients; a bright square shows cancer."""
    rng = np.random.default_rng(0)
    tables = {}
    for part, patients in (("train", range(12)), ("test", range(20, 24))):
        rows = []
        for patient in patients:
            for side in "LR":
                cancer = int(rng.random() < 0.5)
                for view in range(2):
                    pixels = rng.integers(0, 60, (12, 12), np.uint8)
                    pixels[:6] += np.uint8(150 * cancer)
                    (folder / part / str(patient)).mkdir(parents=True, exist_ok=True)
                    Image.fromarray(pixels).save(folder / part / str(patient) / f"{side}{view}.png")
                    row = {"image_id": f"{patient}/{side}{view}", "patient_id": patient, "laterality": side}
                    rows.append(row | {"cancer": cancer})
        tables[part] = pd.DataFrame(rows)
    tables["train"].to_csv(folder / "train.csv", index=False)
    tables["test"].drop(columns="cancer").sample(frac=1, random_state=0).to_csv(folder / "test.csv", index=False)
    answers = tables["test"].assign(prediction_id=lambda t: t["patient_id"].astype(str) + "_" + t["laterality"])
    answers = answers.groupby("prediction_id", as_index=False)["cancer"].first()
    answers.to_csv(folder / "solution.csv", index=False)
    answers.assign(cancer=[0, 1] * 4).to_csv(folder / "sample.csv", index=False)


def entry(column=("patient_id", "laterality"), **changes):
    block = {
        "folder": "raw",
        "train": {"images": "train", "labels": "train.csv"},
        "test": {"images": "test", "labels": "test.csv"},
        "sample_submission": "sample.csv",
    }
    group = {"column": list(column), "by": "mean"}
    return task("raw", ingest=block, split={"count": 3}, predict={"group": group}, **changes)


@pytest.fixture
def breasts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_breasts(Path("raw"))


def run_to_split(students=None, **changes):
    members = {"m": member("t", training={"epochs": 6})}
    write_params(Path(), {"t": entry(**changes)}, members, students=students or {})
    params = load_params(paths.PARAMS)
    roster.roster(params)
    lines = [run(params, "t") for run in (ingest.ingest, prepare.prepare, split.split)]
    return params, lines


def test_images_know_their_answer_and_those_of_one_answer_share_a_fold(breasts):
    _, lines = run_to_split()
    assert "48 train and 16 test images" in lines[0]
    data = TaskData("t")
    answers = load_answers("t", "train", data.train_ids)
    assert dict(zip(data.train_ids, answers, strict=True))["3/R1"] == "3_R"
    folds = pd.Series(data.folds).groupby(answers).nunique()
    assert (folds == 1).all() and len(folds) == 24
    answers = out_of_fold_answers(data, np.arange(48))
    assert (
        len(answers.ids) == 24
        and (answers.ids[answers.answer_of_row] == load_answers("t", "train", data.train_ids)).all()
    )
    assert sorted(answers_of_test(data).ids) == sorted(pd.read_csv("raw/sample.csv")["prediction_id"])


def test_answers_that_do_not_fit_are_refused(breasts):
    with pytest.raises(BadInput, match=r"train\.csv: no column 'eye' for predict\.group; the columns are 'patient_id'"):
        run_to_split(column=["eye"])
    with pytest.raises(BadInput, match=r"raw/test, whose ids .* '20_L' is missing"):
        run_to_split(column=["laterality", "patient_id"])
    table = pd.read_csv("raw/train.csv")
    table.loc[0, "cancer"] = 1 - table.loc[0, "cancer"]
    table.to_csv("raw/train.csv", index=False)
    with pytest.raises(BadInput, match=r"train\.csv: the images of '0_L' have different labels, expected one answer"):
        run_to_split()


@pytest.mark.nightly
def test_the_submission_and_the_score_have_a_row_for_each_answer(breasts):
    settings = {"teacher": "m", "least_confidence": 0.0}
    params, _ = run_to_split({"s": member("t", pseudo_labels=settings)})
    for name, run in itertools.product(("m", "s"), (tune.tune, train.train, predict.predict)):
        run(params, name)
    for run in (ensemble.ensemble, submission.submission, score.score):
        run(params, "t")
    oof = load_predictions(paths.predictions("t", "m") / "oof.npz")
    assert len(oof.ids) == 24 and load_json(paths.predictions("t", "m") / "metrics.json")["rows"] == 24
    table, solution = pd.read_csv("submissions/t.csv"), pd.read_csv("raw/solution.csv")
    assert table["prediction_id"].tolist() == solution["prediction_id"].tolist()
    result = load_json(paths.score("t"))
    assert result["all"]["rows"] == 8
    assert result["all"]["score"] == pytest.approx((table["cancer"] == solution["cancer"]).mean())
