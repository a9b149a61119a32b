"""Multi-label tasks: sets of labels in, sets of labels out, thresholds from rows that nothing was fitted on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.labels.folds import ALWAYS_TRAINING, assign_folds
from features.labels.metrics.losses import log_loss
from features.labels.metrics.registry import ACCURACY
from features.labels.metrics.report import report, set_scores
from features.labels.metrics.shares import set_hits
from features.labels.targets import as_binary, distinct_labels, from_binary, one_hot, probabilities
from features.labels.thresholds import choose, fit_thresholds

SETS = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]], np.uint8)


def test_accuracy_of_the_report():
    prediction = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 0], [1, 1, 1]], bool)  # part of it, nothing, too much, all
    assert set_hits(prediction, SETS).tolist() == [True, False, False, True]
    scores = set_scores(prediction, SETS)
    assert scores["accuracy"] == 0.5
    assert scores["micro_f1"] == pytest.approx(2 * 5 / (6 + 6))
    assert scores["macro_f1"] == pytest.approx(np.mean([4 / 5, 1, 2 / 3]))


def test_figures_of_perfect_probabilities():
    figures = report(SETS.astype(np.float32) * 0.8 + 0.1, SETS)
    assert figures["micro_f1"] == figures["f1"] == figures["mean_average_precision"] == figures["roc_auc"] == 1
    assert figures["accuracy"] == 0.75  # no label at all is not counted as right
    assert figures["log_loss"] == pytest.approx(-np.log(0.9))


def test_targets_and_probabilities():
    assert one_hot(SETS, 3).dtype == np.float32
    assert np.array_equal(one_hot(np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]])
    assert np.allclose(probabilities(np.zeros((1, 4)), multi_label=True), 0.5)
    assert np.allclose(probabilities(np.zeros((1, 4)), multi_label=False), 0.25)
    codes, names = distinct_labels(SETS, ["a", "b", "c"])
    assert [names[code] for code in codes] == ["a c", "", "b", "a b c"]


def test_binary_rows_and_back():
    member_probabilities = np.random.default_rng(0).random((2, 5, 3), dtype=np.float32)
    both = as_binary(member_probabilities)
    assert both.shape == (2, 15, 2) and np.allclose(both.sum(axis=-1), 1)
    assert np.array_equal(from_binary(both[1], 3), member_probabilities[1])
    assert log_loss(both[0], SETS[[0, 1, 2, 3, 0]].reshape(-1)) == pytest.approx(
        log_loss(member_probabilities[0], SETS[[0, 1, 2, 3, 0]])
    )


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=30))
def test_thresholds_have_the_best_f1_of_all(rows):
    p, y = (np.array(column) for column in zip(*rows, strict=True))
    p = (p / 8).astype(np.float32)[:, None]
    y = y[:, None]

    def f1(threshold):
        prediction = p >= threshold
        return 2 * (prediction & y).sum() / max(1, prediction.sum() + y.sum())

    best_threshold = fit_thresholds(p, y)[0]
    assert f1(best_threshold) == pytest.approx(max(f1(t) for t in np.arange(-1, 18) / 16))


def test_a_label_without_rows_is_chosen_for_none_of_them():
    p = np.array([[0.2], [0.7]])
    assert 0.7 < fit_thresholds(p, np.zeros((2, 1), int))[0] < 1


def test_an_empty_set_gets_its_nearest_label():
    p, thresholds = np.array([[0.2, 0.3, 0.1], [0.9, 0.1, 0.1]]), np.array([0.5, 0.9, 0.2])
    assert choose(p, thresholds, at_least_one=False).sum() == 1
    assert choose(p, thresholds, at_least_one=True).tolist() == [[False, False, True], [True, False, False]]


def test_honest_thresholds_do_not_profit_from_noise():
    rng = np.random.default_rng(0)
    p, y = rng.random((40, 60), dtype=np.float32), rng.random((40, 60)) < 0.3
    optimistic = set_scores(choose(p, fit_thresholds(p, y), False), y)["macro_f1"]
    honest = set_scores(ACCURACY.honest(p, y, np.arange(40) % 2), y)["macro_f1"]
    assert honest < optimistic - 0.03


def test_folds_are_stratified_label_by_label():
    rng = np.random.default_rng(0)
    labels = (rng.random((300, 5)) < [0.5, 0.3, 0.2, 0.1, 0.05]).astype(np.uint8)
    groups = np.arange(300)
    groups[1::50] = groups[0::50]  # copies
    folds = assign_folds(labels, groups, 3, 0.2, seed=0)
    counts = np.array([labels[folds == fold].sum(axis=0) for fold in range(3)])
    assert np.ptp(counts, axis=0).max() <= 4
    assert (folds[1::50] == folds[0::50]).all()
    held_out = assign_folds(labels, groups, 1, 0.2, seed=0) == 0
    assert held_out.mean() == pytest.approx(0.2, abs=0.02)
    one_rare_label = np.eye(5, dtype=np.uint8)[[0, 1, 2, 3] * 3 + [4]]
    rare_folds = assign_folds(one_rare_label, np.arange(13), 3, 0.2, seed=0)
    assert np.flatnonzero(rare_folds == ALWAYS_TRAINING).tolist() == [12]
