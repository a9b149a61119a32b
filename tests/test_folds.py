from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.labels.folds import ALWAYS_TRAINING, assign_folds, rows_of_small_classes
from pipeline import split
from pipeline.storage.task_data import TaskData
from tests.projects import member, to_folds, write_blobs


@settings(max_examples=50)
@given(st.integers(2, 5), st.integers(2, 6), st.integers(0, 99))
def test_folds_hold_every_row_once_and_every_class_evenly(count, classes, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(classes), count * 4))
    folds = assign_folds(labels, np.arange(len(labels)), count, 0.2, seed)
    for fold in range(count):
        assert np.bincount(labels[folds == fold], minlength=classes).tolist() == [4] * classes
    assert (folds == assign_folds(labels, np.arange(len(labels)), count, 0.2, seed)).all()


def test_copies_of_an_image_share_a_fold():
    labels = np.tile([0, 1], 30)
    groups = np.arange(60)
    groups[[10, 20, 58]] = 0
    folds = assign_folds(labels, groups, 3, 0.2, 0)
    assert len(set(folds[[0, 10, 20, 58]])) == 1


def test_one_fold_is_a_stratified_hold_out():
    labels = np.repeat([0, 1], [80, 20])
    folds = assign_folds(labels, np.arange(100), 1, 0.3, 0)
    assert set(folds) == {0, ALWAYS_TRAINING}
    assert np.bincount(labels[folds == 0]).tolist() == [24, 6]


def test_rows_of_a_class_with_fewer_images_than_folds_train_in_every_fold():
    labels = np.array([0] * 9 + [1] * 2 + [2] * 6 + [3])
    folds = assign_folds(labels, np.arange(18), 3, 0.2, 0)
    assert (folds == ALWAYS_TRAINING).nonzero()[0].tolist() == [9, 10, 17]
    assert rows_of_small_classes(labels, np.arange(18), 3).tolist() == [9, 10, 17]
    for fold in range(3):
        assert np.bincount(labels[folds == fold], minlength=4).tolist() == [3, 0, 2, 0]


def test_copies_of_one_image_are_one_image():
    groups = np.arange(12)
    groups[[9, 10, 11]] = 9
    folds = assign_folds(np.repeat([0, 1, 2], [5, 4, 3]), groups, 3, 0.2, 0)
    assert (folds == ALWAYS_TRAINING).nonzero()[0].tolist() == [9, 10, 11]


@pytest.mark.parametrize("share", [0.01, 0.2, 0.99])
def test_a_hold_out_has_a_row_of_every_class_on_both_sides(share):
    labels = np.array([0] * 4 + [1] * 3 + [2] * 3 + [3])
    folds = assign_folds(labels, np.arange(11), 1, share, 0)
    assert set(labels[folds == 0]) == {0, 1, 2} and set(labels[folds == ALWAYS_TRAINING]) == {0, 1, 2, 3}


def test_label_sets_with_a_rare_label_train_in_every_fold():
    labels = np.zeros((12, 4), np.uint8)  # the last label is in no set
    labels[:6, 0] = labels[3:9, 1] = labels[[0, 11], 2] = 1
    folds = assign_folds(labels, np.arange(12), 3, 0.2, 0)
    assert (folds == ALWAYS_TRAINING).nonzero()[0].tolist() == [0, 11]
    assert sorted(set(folds)) == [-1, 0, 1, 2]


def test_one_label_may_make_another_too_rare():
    labels = np.zeros((9, 3), np.uint8)
    labels[:4, 0] = labels[3:6, 1] = labels[[5], 2] = 1  # without row 5 the label 1 has two rows
    assert rows_of_small_classes(labels, np.arange(9), 3).tolist() == [3, 4, 5]
    assert set(assign_folds(labels, np.arange(9), 3, 0.2, 0)[[3, 4, 5]]) == {ALWAYS_TRAINING}


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, 0, 0, 1, 2], np.eye(4, dtype=np.uint8)])
def test_folds_need_classes_to_be_scored_on(labels):
    with pytest.raises(ValueError, match=r"[01] classes have 3 distinct images or more, expected [12]"):
        assign_folds(np.array(labels), np.arange(len(labels)), 3, 0.2, 0)


def test_split_counts_the_rows_that_are_not_scored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_blobs(Path("raw"))
    table = pd.read_csv("raw/train.csv")
    table.loc[5, "Label"] = 7
    table.to_csv("raw/train.csv", index=False)
    params = to_folds({"blobs-fast": member("blobs")})
    assert split.split(params, "blobs").endswith(
        "; 1 more, of classes with too few images, train in every fold and are not scored"
    )
    folds = TaskData("blobs").folds
    assert folds[5] == ALWAYS_TRAINING and (folds >= 0).sum() == len(table) - 1
