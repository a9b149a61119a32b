import numpy as np
import pytest
from scipy.special import softmax

from features.ensembling import accuracy, blend, fit_weights, honest_blend, log_loss


def members_of(skills, n=600, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    noise = rng.normal(size=(len(skills), n, classes))
    truth = np.eye(classes)[labels]
    return np.stack([softmax(skill * truth + each, axis=1) for skill, each in zip(skills, noise, strict=True)]), labels


def test_log_loss_and_accuracy_of_known_rows():
    probabilities = np.array([[0.5, 0.5], [0.25, 0.75]])
    assert log_loss(probabilities, np.array([0, 0])) == pytest.approx((np.log(2) + np.log(4)) / 2)
    assert accuracy(probabilities, np.array([0, 0])) == 0.5
    assert np.isfinite(log_loss(np.array([[1.0, 0.0]]), np.array([1])))


def test_greedy_prefers_the_better_and_never_does_worse_than_one_member():
    probabilities, labels = members_of([3.0, 1.0, 0.0])
    weights = fit_weights(probabilities, labels, "greedy", 50)
    assert weights.sum() == pytest.approx(1)
    assert weights.argmax() == 0
    best = min(log_loss(p, labels) for p in probabilities)
    assert log_loss(blend(probabilities, weights), labels) <= best + 1e-6


def test_mean_weighs_all_the_same():
    probabilities, labels = members_of([1.0, 2.0])
    assert fit_weights(probabilities, labels, "mean", 1).tolist() == [0.5, 0.5]


def test_the_honest_score_does_not_rise_on_noise():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    noise = softmax(rng.normal(size=(200, 300, 2)), axis=2)
    optimistic = blend(noise, fit_weights(noise, labels, "greedy", 50))
    honest = honest_blend(noise, labels, np.arange(300) % 3, "greedy", 50)
    assert accuracy(optimistic, labels) > 0.6
    assert accuracy(honest, labels) < 0.57


def test_a_single_part_is_dealt_out():
    probabilities, labels = members_of([2.0, 2.0])
    honest = honest_blend(probabilities, labels, np.zeros(len(labels), int), "greedy", 20)
    assert np.allclose(honest.sum(1), 1, atol=1e-5)
