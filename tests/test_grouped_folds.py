"""Rows that belong together stay in one fold, and a hold-out by time validates the latest rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

from features.labels.folds import ALWAYS_TRAINING
from features.labels.grouped_folds import assign_grouped_folds, assign_latest_rows
from features.labels.groups import first_rows, join_copies, most_copies
from pipeline import ingest, prepare, split
from pipeline.config.schema import load_params
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from pipeline.storage.task_data import TaskData
from tests.projects import member, task, write_params


def imbalance(labels, folds, count):
    shares = np.array([np.bincount(labels[folds == fold], minlength=labels.max() + 1) for fold in range(count)])
    return float((shares.std(axis=0) / shares.mean(axis=0)).mean())


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 5), st.integers(2, 4), st.booleans(), st.integers(0, 999))
def test_groups_stay_whole_and_every_fold_gets_rows(count, classes, label_sets, seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 40, 300)
    labels = rng.integers(0, classes, 300)
    folds = assign_grouped_folds(
        np.eye(classes, dtype=np.uint8)[labels] if label_sets else labels, groups, count, 0.2, seed
    )
    assert all(len(set(folds[groups == group])) == 1 for group in set(groups))
    sizes = np.bincount(folds, minlength=count)
    assert np.ptp(sizes) <= 12 and sizes.sum() == 300


def test_classes_are_as_even_as_those_of_scikit_learn():
    ours, theirs = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        groups = np.sort(rng.integers(0, 60, 600))
        labels = (groups * 7 + rng.integers(0, 3, 600)) % 5
        reference = np.empty(600, int)
        splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        for fold, (_, rows) in enumerate(splitter.split(labels, labels, groups)):
            reference[rows] = fold
        ours.append(imbalance(labels, assign_grouped_folds(labels, groups, 5, 0.2, seed), 5))
        theirs.append(imbalance(labels, reference, 5))
    assert np.mean(ours) < 1.2 * np.mean(theirs) + 0.01


def test_a_grouped_hold_out_has_its_share_and_its_classes():
    groups = np.repeat(np.arange(50), 10)
    labels = (groups + np.tile([0, 0, 0, 1, 1, 2, 2, 2, 2, 2], 50) * (groups % 2)) % 3
    held_out = assign_grouped_folds(labels, groups, 1, 0.3, 0) == 0
    assert held_out.mean() == pytest.approx(0.3, abs=0.02)
    expected = np.bincount(labels) * 0.3
    assert np.abs(np.bincount(labels[held_out]) - expected).max() <= 10


def test_a_class_of_one_patient_trains_always_but_never_splits_a_patient():
    groups = np.repeat(np.arange(8), 3)
    labels = np.tile([0, 1, 1], 8)
    labels[:3], labels[3] = 2, 3  # class 2 is all of patient 0; class 3 is one image of patient 1
    folds = assign_grouped_folds(labels, groups, 3, 0.2, 0)
    assert set(folds[:3]) == {ALWAYS_TRAINING}
    assert len(set(folds[3:6])) == 1 and folds[3] != ALWAYS_TRAINING


def test_folds_need_groups():
    with pytest.raises(ValueError, match=r"classes are in 3 groups or more, expected 2|groups, expected at least 3"):
        assign_grouped_folds(np.tile([0, 1], 6), np.repeat([0, 1], 6), 3, 0.2, 0)


def test_copies_join_patients_but_not_many_of_them():
    patients = np.repeat(np.arange(0, 100, 10), 10)  # the first row of each of ten patients
    copies = np.arange(100)
    copies[15] = 3  # patient 1 has an image of patient 0
    copies[[27, 37, 47, 57]] = 27  # a blank image of four patients
    groups, unused = join_copies(patients, copies, 20)
    assert groups[:20].tolist() == [0] * 20 and (groups[20:] == patients[20:]).all()
    assert [rows.tolist() for rows in unused] == [[27, 37, 47, 57]]


def test_a_group_of_copies_has_at_most_one_percent_of_the_rows():
    assert most_copies(5000) == 50 and most_copies(60) == 10
    copies = np.repeat(np.arange(0, 5000, 50), 50)
    copies[:51] = 0
    groups, unused = join_copies(np.arange(5000), copies, most_copies(5000))
    assert groups[:51].tolist() == list(range(51)) and len(unused) == 1 and (groups[100:] == copies[100:]).all()


def test_empty_cells_are_groups_of_their_own():
    assert first_rows(np.array(["b", "", "a", "b", ""], object)).tolist() == [0, 1, 2, 0, 4]


def test_the_latest_rows_validate_with_their_groups():
    times, groups = np.array([5.0, 1, 2, 3, 4, 4, 9, 0]), np.array([0, 1, 2, 3, 4, 5, 6, 6])
    folds = assign_latest_rows(times, groups, 0.3)
    assert np.flatnonzero(folds == 0).tolist() == [0, 6, 7]  # row 7 is early, but belongs to row 6
    assert np.flatnonzero(assign_latest_rows(times, groups, 0.5) == 0).tolist() == [0, 4, 5, 6, 7]  # rows 4 and 5 tie
    with pytest.raises(ValueError, match="the same time"):
        assign_latest_rows(np.ones(4), np.arange(4), 0.5)


def write_patients(folder):
    """Write 40 pictures of 8 patients, a label file with their patients and dates, and 4 test pictures."""
    rng = np.random.default_rng(0)
    for part, rows in (("train", 40), ("test", 4)):
        (folder / part).mkdir(parents=True)
        for row in range(rows):
            Image.fromarray(rng.integers(0, 256, (6, 6), np.uint8)).save(folder / part / f"{row}.png")
    order = rng.permutation(40)
    dates = pd.Timestamp("2020-02-28") + pd.to_timedelta(order, "D")
    columns = {"image": order, "patient": [f"p{row % 8}" for row in order], "date": dates.strftime("%Y-%m-%d")}
    pd.DataFrame(columns | {"label": order % 2}).to_csv(folder / "train.csv", index=False)
    pd.DataFrame({"image": range(4), "label": 0}).to_csv(folder / "sample.csv", index=False)


def run_to_split(**options):
    block = {"folder": "raw", "train": {"images": "train", "labels": "train.csv"}, "test": {"images": "test"}}
    tasks = {"t": task("raw", ingest=block | {"sample_submission": "sample.csv"}, split=options)}
    write_params(Path(), tasks, {"m": member("t")})
    params = load_params(paths.PARAMS)
    for run in (ingest.ingest, prepare.prepare, split.split):
        line = run(params, "t")
    return line


@pytest.fixture
def patients(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_patients(Path("raw"))


def test_the_stage_keeps_patients_together(patients):
    assert "; 8 groups of patient stay together" in run_to_split(count=4, group_column="patient")
    folds, ids = TaskData("t").folds, TaskData("t").train_ids
    assert all(len(set(folds[ids % 8 == patient])) == 1 for patient in range(8))
    assert np.bincount(folds).tolist() == [10] * 4


def test_the_stage_validates_on_the_latest_rows(patients):
    run_to_split(holdout_share=0.25, time_column="date")
    assert sorted(TaskData("t").train_ids[TaskData("t").folds == 0].tolist()) == list(range(30, 40))


def test_columns_that_do_not_fit_are_refused(patients):
    with pytest.raises(BadInput, match=r"train_columns\.csv: no column 'camera'; the columns are 'patient', 'date'"):
        run_to_split(group_column="camera")
    with pytest.raises(BadInput, match=r"time_column 'patient' has the value 'p.', expected a number or a date"):
        run_to_split(count=1, time_column="patient")
    with pytest.raises(BadInput, match="time_column needs count: 1"):
        run_to_split(count=3, time_column="date")
