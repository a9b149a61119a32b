"""Metrics by hand and against scikit-learn, on random cases with absent classes, ties and constants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from features.labels.metrics.losses import LEAST_PROBABILITY, log_loss
from features.labels.metrics.rankings import mean_average_precision
from features.labels.metrics.report import report, set_scores
from features.labels.metrics.shares import accuracy, hits

SEEDS = st.integers(0, 2**32 - 1)


def random_case(seed):
    """Return probabilities (n, classes) and labels; few rows and coarse values, so that ties and absences happen."""
    rng = np.random.default_rng(seed)
    rows, classes = rng.integers(1, 12), rng.integers(2, 6)
    shares = rng.integers(0, 3, (rows, classes)) + (rng.random() < 0.2)
    shares[shares.sum(axis=1) == 0] = 1
    return shares / shares.sum(axis=1, keepdims=True), rng.integers(0, rng.integers(1, classes + 1), rows)


def random_sets(seed):
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 12), rng.integers(1, 6)
    often = rng.choice([0, 0.2, 0.5, 1], shape[1])
    return rng.integers(0, 5, shape) / 4, (rng.random(shape) < often).astype(np.uint8)


def test_log_loss_and_accuracy_of_known_rows():
    probabilities = np.array([[0.5, 0.5], [0.25, 0.75]])
    assert log_loss(probabilities, np.array([0, 0])) == pytest.approx((np.log(2) + np.log(4)) / 2)
    assert accuracy(probabilities, np.array([0, 0])) == 0.5
    assert np.isfinite(log_loss(np.array([[1.0, 0.0]]), np.array([1])))


def test_report_of_known_rows():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.3, 0.7, 0.0], [0.2, 0.2, 0.6]])
    figures = report(probabilities, np.array([0, 1, 1, 2]))
    assert figures["accuracy"] == 0.75
    assert figures["precision"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert figures["recall"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert figures["f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert figures["roc_auc"] == pytest.approx((1 + 0.875 + 1) / 3)


def test_a_class_that_does_not_occur_is_left_out_and_one_that_is_only_predicted_counts_nothing():
    absent = report(np.array([[0.6, 0.4, 0.0], [0.2, 0.8, 0.0]]), np.array([0, 1]))
    assert absent["roc_auc"] is None
    assert absent["accuracy"] == absent["precision"] == absent["recall"] == absent["f1"] == 1.0
    predicted = report(np.array([[0.6, 0.4, 0.0], [0.2, 0.3, 0.5], [0.2, 0.8, 0.0]]), np.array([0, 1, 1]))
    assert predicted["f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_the_same_of_label_sets():
    labels = np.array([[1, 0, 0], [1, 1, 0]])
    assert set_scores(labels, labels)["macro_f1"] == 1.0
    assert set_scores(np.array([[1, 0, 1], [1, 1, 0]]), labels)["macro_f1"] == pytest.approx(2 / 3)
    nothing = np.zeros((2, 3), int)
    assert set_scores(nothing, nothing)["macro_f1"] == 0.0
    assert mean_average_precision(np.full((2, 3), 0.5), nothing) == 0.0


@given(SEEDS)
def test_classes_as_scikit_learn_has_them(seed):
    probabilities, labels = random_case(seed)
    figures, decision = report(probabilities, labels), probabilities.argmax(axis=1)
    assert figures["accuracy"] == pytest.approx(reference.accuracy_score(labels, decision))
    if probabilities[np.arange(len(labels)), labels].min() > LEAST_PROBABILITY:  # where neither clips
        classes = np.arange(probabilities.shape[1])
        assert figures["log_loss"] == pytest.approx(reference.log_loss(labels, probabilities, labels=classes))
    for name, function in (("precision", reference.precision_score), ("recall", reference.recall_score)):
        assert figures[name] == pytest.approx(function(labels, decision, average="macro", zero_division=0))
    assert figures["f1"] == pytest.approx(reference.f1_score(labels, decision, average="macro", zero_division=0))
    if len(np.unique(labels)) < probabilities.shape[1]:
        assert figures["roc_auc"] is None
    else:
        areas = [_area(probabilities[:, label], labels == label) for label in range(probabilities.shape[1])]
        assert figures["roc_auc"] == pytest.approx(np.mean(areas))


def _area(scores, true):
    """Return how often a true row ranks above another one, ties counting half (Mann and Whitney)."""
    return np.mean([(a > b) + (a == b) / 2 for a in scores[true] for b in scores[~true]])


@given(SEEDS)
def test_label_sets_as_scikit_learn_has_them(seed):
    probabilities, labels = random_sets(seed)
    figures, decision = report(probabilities, labels), (probabilities >= 0.5).astype(np.uint8)
    each_label = [
        reference.f1_score(true, mine, zero_division=0)
        for true, mine in zip(labels.T, decision.T, strict=True)
        if true.any() or mine.any()
    ]
    macro_f1 = np.mean(each_label) if each_label else 0.0
    micro_f1 = reference.f1_score(labels.ravel(), decision.ravel(), zero_division=0)
    assert (figures["f1"], figures["micro_f1"]) == pytest.approx((macro_f1, micro_f1))
    assert set_scores(decision, labels)["macro_f1"] == pytest.approx(macro_f1)
    precisions = [
        reference.average_precision_score(true, scores)
        for true, scores in zip(labels.T, probabilities.T, strict=True)
        if true.any()
    ]
    assert figures["mean_average_precision"] == pytest.approx(np.mean(precisions) if precisions else 0.0)
    right = [mine.any() and not (mine > true).any() for mine, true in zip(decision, labels, strict=True)]
    assert figures["accuracy"] == np.mean(right) and hits(probabilities, labels).tolist() == right
