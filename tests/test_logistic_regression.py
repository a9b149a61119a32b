"""The last layer of a member with architecture `features`: as scikit-learn fits it, and for soft labels and sets."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression

from pipeline.training.logistic_regression import STRENGTHS, Rows, fit

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(3, 8))
LABELS = np.arange(90) % 3
VECTORS = (5 + 3 * (CENTRES[LABELS] + RNG.normal(0, 1.5, (90, 8)))).astype(np.float32)
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]
PARTS = np.arange(90) // 3 % 3


def rows(vectors=VECTORS, targets=ONE_HOT, weights=None):
    return Rows(vectors, targets, np.ones(len(vectors), np.float32) if weights is None else weights)


def logits(regression):
    return VECTORS @ regression.kernel + regression.bias


@pytest.mark.parametrize("c", [0.01, 1.0])
def test_one_label_is_as_in_scikit_learn(c):
    standardised = (VECTORS - VECTORS.mean(axis=0)) / VECTORS.std(axis=0)
    expected = LogisticRegression(C=c, tol=1e-8, max_iter=1000).fit(standardised, LABELS).predict_proba(standardised)
    assert np.allclose(softmax(logits(fit(rows(), PARTS, c, False)), axis=1), expected, atol=2e-3)


def test_fewer_rows_than_units_are_as_in_scikit_learn():
    wide = np.random.default_rng(2).normal(size=(90, 200)).astype(np.float32)
    standardised = (wide - wide.mean(axis=0)) / wide.std(axis=0)
    expected = LogisticRegression(C=0.01, tol=1e-8, max_iter=1000).fit(standardised, LABELS).predict_proba(standardised)
    regression = fit(rows(wide), PARTS, 0.01, False)
    assert regression.kernel.shape == (200, 3)
    assert np.allclose(softmax(wide @ regression.kernel + regression.bias, axis=1), expected, atol=2e-3)


def test_label_sets_are_one_regression_for_each_label():
    targets = np.stack([LABELS > 0, LABELS < 2], axis=1).astype(np.float32)
    standardised = (VECTORS - VECTORS.mean(axis=0)) / VECTORS.std(axis=0)
    probabilities = expit(logits(fit(rows(targets=targets), PARTS, 0.1, True)))
    for column, label in enumerate(targets.T):
        expected = LogisticRegression(C=0.1, tol=1e-8).fit(standardised, label).predict_proba(standardised)[:, 1]
        assert np.allclose(probabilities[:, column], expected, atol=2e-3)


def test_a_soft_label_is_a_weighted_row_of_each_class():
    soft = 0.7 * ONE_HOT + 0.3 * np.roll(ONE_HOT, 1, axis=1)
    twice = rows(
        np.concatenate([VECTORS, VECTORS]),
        np.concatenate([ONE_HOT, np.roll(ONE_HOT, 1, axis=1)]),
        np.repeat(np.float32([0.7, 0.3]), len(VECTORS)),
    )
    first, second = fit(rows(targets=soft), PARTS, 0.1, False), fit(twice, np.tile(PARTS, 2), 0.1, False)
    assert np.allclose(logits(first), logits(second), atol=2e-2)


@pytest.mark.slow
def test_noise_is_fitted_with_more_penalty_than_signal():
    noise = np.random.default_rng(1).permutation(ONE_HOT)
    strong, weak = (fit(rows(targets=targets), PARTS, None, False).c for targets in (noise, ONE_HOT))
    assert strong == STRENGTHS[0] < weak


def test_a_class_without_rows_is_never_predicted():
    regression = fit(rows(targets=np.pad(ONE_HOT, ((0, 0), (0, 1)))), PARTS, 1.0, False)
    assert softmax(logits(regression), axis=1)[:, 3].max() < 0.01
