import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.labels.folds import ALWAYS_TRAINING, ClassTooSmall, assign_folds


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


def test_a_class_with_fewer_rows_than_folds_is_an_error():
    with pytest.raises(ClassTooSmall) as error:
        assign_folds(np.array([0] * 9 + [1] * 2), np.arange(11), 3, 0.2, 0)
    assert (error.value.index, error.value.rows, error.value.needed) == (1, 2, 3)
