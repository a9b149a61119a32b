"""The losses of rare classes and labels, and of smoothed ones, calculated by hand in NumPy."""

import numpy as np
import pytest

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
from keras import layers, ops

from models.parts.losses import loss
from pipeline.config.schema import Training
from pipeline.training.class_shares import balanced_rows, prior_logits
from pipeline.training.phases import compile_trainer, phases

LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 1.0, 3.0]])
TARGETS = np.array([[1.0, 0, 0], [0, 1.0, 0]], "float32")


def loss_of(multi_label=False, prior=None, **settings):
    """Return the loss of a network whose logits are its inputs."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layers.Rescaling(1.0)(inputs))
    training = Training(**settings)
    trainer = compile_trainer(model, training, phases(training, 1)[0], 1, multi_label, prior)
    return trainer.test_on_batch(LOGITS.astype("float32"), TARGETS)[0]


PRIOR = np.log([0.5, 0.25, 0.25]).astype("float32")
CHANCES = np.exp(LOGITS - PRIOR) / np.exp(LOGITS - PRIOR).sum(axis=1, keepdims=True)  # for equally frequent classes
ODDS = np.log([1.0, 1 / 3, 1 / 3]).astype("float32")  # of labels that a half, a quarter and a quarter of images have


def test_losses_for_rare_classes_are_those_calculated_by_hand():
    own = -np.log([CHANCES[0, 0], CHANCES[1, 1]])
    balanced = loss_of(imbalance="balanced_sampling", prior=PRIOR)
    assert balanced == pytest.approx(own.mean(), rel=1e-4)
    weighted = loss_of(imbalance="class_weights", prior=PRIOR)
    assert weighted == pytest.approx((own * [2 / 3, 4 / 3]).mean(), rel=1e-4)
    probabilities = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    own = np.array([probabilities[0, 0], probabilities[1, 1]])
    assert loss_of(imbalance="logit_adjustment", prior=PRIOR) == pytest.approx(-np.log(own).mean(), rel=1e-4)
    focal = -((1 - own) ** 2 * np.log(own)).mean()
    assert loss_of(imbalance="focal") == pytest.approx(focal, rel=1e-4)


def test_losses_for_rare_labels_are_those_calculated_by_hand():
    chances = 1 / (1 + np.exp(-LOGITS))
    own = np.where(TARGETS > 0, chances, 1 - chances)
    assert loss_of(True, imbalance="focal") == pytest.approx(-((1 - own) ** 2 * np.log(own)).mean(), rel=1e-4)
    chances = 1 / (1 + np.exp(-(LOGITS - ODDS)))
    losses = -np.log(np.where(TARGETS > 0, chances, 1 - chances))
    weights = np.where(TARGETS > 0, [1, 2, 2], [1, 2 / 3, 2 / 3])
    assert loss_of(True, imbalance="class_weights", prior=ODDS) == pytest.approx((losses * weights).mean(), rel=1e-4)


@pytest.mark.parametrize("imbalance", ["class_weights", "balanced_sampling", "logit_adjustment"])
def test_without_evidence_the_probabilities_are_the_shares_of_the_classes(imbalance):
    """A network without input and eight images of a class and two of another: its best output is the prior."""
    targets = np.eye(2, dtype="float32")[[0] * 8 + [1] * 2]
    prior = prior_logits(targets, has_label_sets=False)
    assert np.exp(prior) == pytest.approx([0.8, 0.2])
    if imbalance == "balanced_sampling":
        rows = balanced_rows(np.arange(10), targets.argmax(axis=1), np.random.default_rng(0))
        assert np.bincount(targets[rows].argmax(axis=1).astype(int)).tolist() == [5, 5]
        assert sorted(np.bincount(rows, minlength=10)[8:].tolist()) == [2, 3]
        targets = targets[rows]
    function = loss(binary=False, imbalance=imbalance, prior=prior)

    def at(bias):
        logits = np.tile(prior + np.float32([bias, 0]), (len(targets), 1))
        return float(ops.mean(function(ops.convert_to_tensor(targets), ops.convert_to_tensor(logits))))

    assert at(0) < min(at(-0.05), at(0.05))


def test_odds_of_labels_and_of_a_class_without_rows_are_finite():
    targets = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 0], [1, 1, 0]])
    assert prior_logits(targets, has_label_sets=True) == pytest.approx(np.log([1, 4, 1 / 3]))
    assert prior_logits(np.eye(3)[[0, 0, 0, 1]], has_label_sets=False) == pytest.approx(np.log([3 / 4, 1 / 4, 1 / 4]))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_losses_of_smoothed_labels_are_those_calculated_by_hand(smoothing):
    probabilities = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    smoothed = TARGETS * (1 - smoothing) + smoothing / 3
    entropy = -(smoothed * np.log(probabilities)).sum(axis=1).mean()
    chances, halved = 1 / (1 + np.exp(-LOGITS)), TARGETS * (1 - smoothing) + smoothing / 2
    binary = -(halved * np.log(chances) + (1 - halved) * np.log(1 - chances)).mean()
    assert loss_of(loss="cross_entropy", label_smoothing=smoothing) == pytest.approx(entropy, rel=1e-4)
    assert loss_of(loss="nll", label_smoothing=smoothing) == pytest.approx(entropy, rel=1e-4)
    assert loss_of(loss="binary_cross_entropy", label_smoothing=smoothing) == pytest.approx(binary, rel=1e-4)
    assert loss_of(multi_label=True, label_smoothing=smoothing) == pytest.approx(binary, rel=1e-4)
