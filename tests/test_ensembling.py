import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from features.calibration import calibrate, fit_temperature, fit_temperatures
from features.ensembling import METHODS, Blend, Ensemble, Greedy, Stack, fit_blends, mean_of_logits
from features.labels.metrics.losses import log_loss
from features.labels.metrics.shares import accuracy


def members_of(skills, n=600, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    noise = rng.normal(size=(len(skills), n, classes))
    truth = np.eye(classes)[labels]
    return np.stack(
        [softmax(skill * truth + member_noise, axis=1) for skill, member_noise in zip(skills, noise, strict=True)]
    ), labels


def fitted(probabilities, labels, method, **greedy):
    """Return an ensemble of members of one fold."""
    temperatures = fit_temperatures(probabilities, labels, np.zeros(len(labels), int))
    members = np.stack([calibrate(p, t) for p, t in zip(probabilities, temperatures[:, 0], strict=True)])
    return Fitted(temperatures, fit_blends(members, labels, [method], Greedy(**greedy))[method])


class Fitted(Ensemble):
    weights = property(lambda self: self.blend.weights)

    def __call__(self, probabilities):
        return self.of_rows(probabilities, np.zeros(probabilities.shape[1], int))


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
        other = Fitted(blend.temperatures, Blend(weights))
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


@pytest.mark.parametrize(("method", "classes"), [*((method, 2) for method in METHODS), ("stacking", 3), ("mean", 3)])
def test_certain_and_wrong_rows_stay_finite(method, classes):
    certain = np.eye(classes, dtype=np.float32)[np.arange(12) % classes][None]
    blended = fitted(certain, (np.arange(12) // 2) % classes, method)(certain)
    assert blended.dtype == np.float32
    assert np.isfinite(blended).all()
    assert np.allclose(blended.sum(axis=1), 1, atol=1e-6)


def test_each_model_is_calibrated_by_its_own_rows_before_they_are_averaged():
    """Two folds' models, one of them sharpened: the submission is the mean of what each was before."""
    (probabilities,), labels = members_of([2.0], n=8000)
    folds = np.arange(8000) % 2
    distorted = np.where(folds[:, None] == 1, calibrate(probabilities, 1 / 4), probabilities)[None]
    temperatures = fit_temperatures(distorted, labels, folds)
    assert temperatures[0, 1] / temperatures[0, 0] == pytest.approx(4, rel=0.1)
    ensemble = Ensemble(temperatures, Blend(np.ones(1)))
    new = np.stack([probabilities[:10], calibrate(probabilities[10:20], 1 / 4)])[None]
    calibrated_members = calibrate(probabilities[:10], temperatures[0, 0]), calibrate(new[0, 1], temperatures[0, 1])
    expected = np.sqrt(calibrated_members[0] * calibrated_members[1])
    test, gain = ensemble.of_models(list(new))
    assert np.allclose(test, expected / expected.sum(axis=1, keepdims=True), atol=1e-6) and gain > 0
    alone, gain = ensemble.of_models([new[0, :1]])  # one model on all rows: the mean of the temperatures
    assert np.allclose(alone, calibrate(new[0, 0], np.sqrt(temperatures.prod())), atol=1e-6) and gain is None


def test_averaging_gains_what_the_log_loss_loses_whatever_the_labels_are():
    rng = np.random.default_rng(0)
    models, labels = softmax(rng.normal(size=(4, 50, 3)), axis=2), rng.integers(0, 3, 50)
    mean, gain = mean_of_logits(models)
    assert gain == pytest.approx(np.mean([log_loss(model, labels) for model in models]) - log_loss(mean, labels))
    assert mean_of_logits(models[:1])[1] == pytest.approx(0) and np.allclose(mean_of_logits(models[:1])[0], models[0])


def test_a_threshold_of_one_model_suits_the_mean_of_label_sets():
    """One of three models is sure of the label, the others are further below the threshold in log-odds."""
    models = np.array([0.02, 0.02, 0.5])[:, None, None]
    mean, _ = Ensemble(np.ones((1, 3)), Blend(np.ones(1)), label_sets=True).of_models([models])
    odds = (0.02 / 0.98) ** (2 / 3)
    assert mean == pytest.approx(odds / (1 + odds)) and mean < 0.1 < models.mean()


def test_a_fold_without_rows_has_the_mean_of_the_others_temperatures():
    probabilities, labels = members_of([3.0, 1.0], n=900)
    folds = np.arange(900) % 3
    known = fit_temperatures(probabilities, labels, folds)
    without = fit_temperatures(probabilities, labels, folds, folds != 1)
    assert np.array_equal(without[:, [0, 2]], known[:, [0, 2]])
    assert without[:, 1] == pytest.approx(np.sqrt(known[:, 0] * known[:, 2]))


def test_rows_that_are_all_right_do_not_make_a_model_certain():
    probabilities = np.tile([0.9, 0.05, 0.05], (110, 1))
    temperature = fit_temperature(probabilities, np.zeros(110, int))
    assert 0.2 < temperature < 0.8
    logs = np.log(probabilities[0])
    lower, at_fit, higher = (
        110 * np.log(np.exp((logs - logs[0]) / t).sum()) + np.log(t) ** 2 / 2
        for t in (0.97 * temperature, temperature, 1.03 * temperature)
    )
    assert at_fit < min(lower, higher)  # log-loss less the logarithm of a standard normal density


@pytest.mark.parametrize(
    ("coefficients", "weights"), [([[0, 0], [0, 0]], [0.5, 0.5]), ([[1, -3], [2, -2]], [3 / 8, 5 / 8])]
)
def test_the_weights_of_a_stack_are_shares_of_its_coefficients(coefficients, weights):
    regression = LogisticRegression()
    regression.coef_ = np.array(coefficients, float)
    assert Stack(regression, 2).weights.tolist() == weights
