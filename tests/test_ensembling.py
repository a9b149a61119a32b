import numpy as np
import pytest
from scipy.special import softmax

from features.ensembling import calibrate, fit_blend, fit_temperature, honest_blend
from features.metrics import accuracy, log_loss


def members_of(skills, n=600, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    noise = rng.normal(size=(len(skills), n, classes))
    truth = np.eye(classes)[labels]
    return np.stack([softmax(skill * truth + each, axis=1) for skill, each in zip(skills, noise, strict=True)]), labels


def test_greedy_prefers_the_better_and_never_does_worse_than_one_member():
    probabilities, labels = members_of([3.0, 1.0, 0.0])
    blend = fit_blend(probabilities, labels, "greedy", 50)
    assert blend.weights.sum() == pytest.approx(1)
    assert blend.weights.argmax() == 0
    best = min(log_loss(p, labels) for p in probabilities)
    assert log_loss(blend(probabilities), labels) <= best + 1e-6


def test_mean_weighs_all_the_same():
    probabilities, labels = members_of([1.0, 2.0])
    assert fit_blend(probabilities, labels, "mean", 1).weights.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_undoes_what_was_done_to_calibrated_members(temperature):
    (probabilities,), _ = members_of([3.0], n=20_000)
    rng = np.random.default_rng(1)
    labels = (probabilities.cumsum(axis=1) > rng.random((len(probabilities), 1))).argmax(axis=1)  # drawn from them
    distorted = calibrate(probabilities, 1 / temperature)
    assert fit_temperature(distorted, labels) == pytest.approx(temperature, rel=0.1)
    assert np.allclose(calibrate(distorted, temperature), probabilities, atol=1e-3)


def test_a_modest_member_counts_by_what_it_knows():
    probabilities, labels = members_of([3.0, 3.0], n=4000)
    modest = np.stack([probabilities[0], calibrate(probabilities[1], 3.0)])
    assert fit_blend(modest, labels, "greedy", 50).weights == pytest.approx([0.5, 0.5], abs=0.1)


def test_certain_and_wrong_rows_stay_finite():
    certain = np.eye(3)[np.array([0, 1, 2, 0])][None]
    blended = fit_blend(certain, np.array([1, 2, 0, 1]), "greedy", 5)(certain)
    assert np.isfinite(blended).all()
    assert np.allclose(blended.sum(axis=1), 1)


def test_the_honest_score_does_not_rise_on_noise():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    noise = softmax(rng.normal(size=(200, 300, 2)), axis=2)
    optimistic = fit_blend(noise, labels, "greedy", 50)(noise)
    honest = honest_blend(noise, labels, np.arange(300) % 3, "greedy", 50)
    assert accuracy(optimistic, labels) > 0.6
    assert accuracy(honest, labels) < 0.57
