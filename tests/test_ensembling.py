import numpy as np
import pytest
from scipy.special import softmax

from features.ensembling import METHODS, Greedy, calibrate, fit_blends, fit_temperature
from features.labels.metrics import accuracy, log_loss


def members_of(skills, n=600, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    noise = rng.normal(size=(len(skills), n, classes))
    truth = np.eye(classes)[labels]
    return np.stack([softmax(skill * truth + each, axis=1) for skill, each in zip(skills, noise, strict=True)]), labels


def fitted(probabilities, labels, method, **greedy):
    return fit_blends(probabilities, labels, [method], Greedy(**greedy))[method]


@pytest.mark.parametrize("method", ["greedy", "convex", "stacking"])
def test_the_better_weighs_more_and_none_does_worse_than_one_member(method):
    probabilities, labels = members_of([3.0, 1.0, 0.0])
    blend = fitted(probabilities, labels, method)
    assert blend.weights.sum() == pytest.approx(1)
    assert (blend.weights >= 0).all()
    assert blend.weights.argmax() == 0
    best = min(log_loss(calibrate(p, fit_temperature(p, labels)), labels) for p in probabilities)
    assert log_loss(blend(probabilities), labels) <= best + 1e-6


def test_mean_weighs_all_the_same():
    probabilities, labels = members_of([1.0, 2.0])
    assert fitted(probabilities, labels, "mean").weights.tolist() == [0.5, 0.5]


def test_convex_weights_are_the_best_that_there_are():
    probabilities, labels = members_of([2.0, 1.5, 1.8], n=2000)
    blend = fitted(probabilities, labels, "convex")
    least = log_loss(blend(probabilities), labels)
    rng = np.random.default_rng(0)
    for weights in rng.dirichlet(np.ones(3), 200):
        other = type(blend)(blend.temperatures, weights)
        assert log_loss(other(probabilities), labels) > least - 1e-5


def test_greedy_starts_from_the_best_of_the_sorted():
    probabilities, labels = members_of([2.0] * 3 + [0.0])
    assert fitted(probabilities, labels, "greedy", rounds=0).weights == pytest.approx([1 / 3] * 3 + [0])


def test_bags_spread_the_weight_over_equals_and_are_seeded():
    probabilities, labels = members_of([2.0] * 12, n=300)
    one, many = (fitted(probabilities, labels, "greedy", bags=bags) for bags in (1, 20))
    assert (many.weights > 0).sum() > (one.weights > 0).sum()
    assert fitted(probabilities, labels, "greedy", bags=20).weights.tolist() == many.weights.tolist()
    assert fitted(probabilities, labels, "greedy", bags=20, seed=1).weights.tolist() != many.weights.tolist()


def test_stacking_learns_what_no_average_can():
    """Two members that confuse two classes each, one of them telling the wrong one for certain."""
    probabilities, labels = members_of([3.0, 3.0], n=3000)
    probabilities[1] = probabilities[1][:, [1, 0, 2, 3]]
    stack, convex = (fitted(probabilities, labels, method) for method in ("stacking", "convex"))
    assert accuracy(stack(probabilities), labels) > accuracy(convex(probabilities), labels) + 0.02


def test_a_class_without_rows_has_no_probability_in_a_stack():
    probabilities, labels = members_of([3.0, 2.0])
    rows = labels != 2
    stacked = fitted(probabilities[:, rows], labels[rows], "stacking")(probabilities)
    assert stacked.shape == probabilities.shape[1:]
    assert (stacked[:, 2] == 0).all()


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_undoes_what_was_done_to_calibrated_members(temperature):
    (probabilities,), _ = members_of([3.0], n=20_000)
    rng = np.random.default_rng(1)
    labels = (probabilities.cumsum(axis=1) > rng.random((len(probabilities), 1))).argmax(axis=1)  # drawn from them
    distorted = calibrate(probabilities, 1 / temperature)
    assert fit_temperature(distorted, labels) == pytest.approx(temperature, rel=0.1)
    assert np.allclose(calibrate(distorted, temperature), probabilities, atol=1e-3)


@pytest.mark.parametrize("method", ["greedy", "convex"])
def test_a_modest_member_counts_by_what_it_knows(method):
    probabilities, labels = members_of([3.0, 3.0], n=4000)
    modest = np.stack([probabilities[0], calibrate(probabilities[1], 3.0)])
    assert fitted(modest, labels, method).weights == pytest.approx([0.5, 0.5], abs=0.1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("classes", [2, 3])
def test_certain_and_wrong_rows_stay_finite(method, classes):
    certain = np.eye(classes, dtype=np.float32)[np.arange(12) % classes][None]
    blended = fitted(certain, (np.arange(12) // 2) % classes, method)(certain)
    assert blended.dtype == np.float32
    assert np.isfinite(blended).all()
    assert np.allclose(blended.sum(axis=1), 1, atol=1e-6)
