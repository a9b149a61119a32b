"""What each setting of training does: steps calculated by hand in NumPy. The last test runs the others on JAX."""

import subprocess
import sys

import numpy as np
import pytest

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
from keras import layers, ops

from features.augmentation.augment import Augment
from models.parts import batch_norm
from models.parts.losses import loss
from models.parts.optimisers import optimiser, schedule
from pipeline.config.schema import Training
from pipeline.training.batches import TrainingBatches
from pipeline.training.callbacks import BatchNormStatistics, SeedEpoch, SwapEMAWeights
from pipeline.training.class_shares import balanced_rows, prior_logits
from pipeline.training.epoch import fit
from pipeline.training.phases import compile_trainer, phases
from tests.projects import ROOT, environment

RATE, DECAY, MOMENTUM = 0.1, 0.5, 0.8


def gradients(shape, count=3):
    return list(np.random.default_rng(0).normal(size=(count, *shape)).astype("float32"))


def moved(name, steps, name_of_variable="kernel", **options):
    """Return where an optimiser takes a variable of ones by gradients."""
    variable = keras.Variable(np.ones(steps[0].shape, "float32"), name=name_of_variable)
    instance = optimiser(name, RATE, **options)
    instance.build([variable])
    for gradient in steps:
        instance.apply([ops.convert_to_tensor(gradient)], [variable])
    return ops.convert_to_numpy(variable)


def by_hand(update, steps, decay=0.0):
    """Return where `update(gradient, count)` takes ones; the decay is decoupled, of the weights before the step."""
    value = np.ones(steps[0].shape)
    for count, gradient in enumerate(steps, 1):
        value = value - RATE * decay * value - RATE * update(gradient.astype(float), count)
    return value


def nesterov():
    state = {"m": 0.0}

    def update(gradient, count):
        state["m"] = MOMENTUM * state["m"] + gradient
        return gradient + MOMENTUM * state["m"]

    return update


def adam():
    state = {"m": 0.0, "v": 0.0}

    def update(gradient, count):
        state["m"] = 0.9 * state["m"] + 0.1 * gradient
        state["v"] = 0.999 * state["v"] + 0.001 * gradient**2
        return (state["m"] / (1 - 0.9**count)) / np.sqrt(state["v"] / (1 - 0.999**count))

    return update


def rmsprop():
    state = {"v": 0.0}

    def update(gradient, count):
        state["v"] = 0.9 * state["v"] + 0.1 * gradient**2
        return gradient / np.sqrt(state["v"])

    return update


def muon():
    """Newton and Schulz's steps change singular values alone: s becomes 3.4445 s - 4.775 s^3 + 2.0315 s^5."""
    ahead = nesterov()

    def update(gradient, count):
        rows, columns = np.prod(gradient.shape[:-1]), gradient.shape[-1]
        left, values, right = np.linalg.svd(ahead(gradient, count).reshape(rows, columns), full_matrices=False)
        values = values / np.sqrt((values**2).sum())
        for _ in range(5):
            values = 3.4445 * values - 4.775 * values**3 + 2.0315 * values**5
        return 0.2 * np.sqrt(max(rows, columns)) * ((left * values) @ right).reshape(gradient.shape)

    return update


@pytest.mark.parametrize("decay", [0.0, DECAY])
@pytest.mark.parametrize(
    ("name", "update"), [("sgd", nesterov), ("adam", adam), ("adamw", adam), ("rmsprop", rmsprop), ("muon", adam)]
)
def test_an_optimiser_moves_a_matrix_as_calculated_by_hand(name, update, decay):
    steps = gradients((4, 3))
    result = moved(name, steps, momentum=MOMENTUM, weight_decay=decay)
    assert result == pytest.approx(by_hand(update(), steps, decay), abs=1e-4)
    untouched = moved(name, steps, "bias", momentum=MOMENTUM, weight_decay=decay)
    assert untouched == pytest.approx(by_hand(update(), steps), abs=1e-4)


def test_sgd_without_momentum_follows_the_gradient():
    steps = gradients((4, 3))
    assert moved("sgd", steps, momentum=0.0) == pytest.approx(1 - RATE * sum(steps), abs=1e-5)


@pytest.mark.parametrize("decay", [0.0, DECAY])
@pytest.mark.parametrize("shape", [(3, 3, 16, 8), (1, 1, 12, 20), (2, 1, 9, 18)])
@pytest.mark.parametrize("on_a_cpu", [True, False])
def test_muon_moves_a_convolution_as_calculated_by_hand(monkeypatch, shape, on_a_cpu, decay):
    monkeypatch.setattr("models.parts.optimisers.is_tensorflow_on_a_cpu", lambda: on_a_cpu)
    steps = gradients(shape)
    result = moved("muon", steps, momentum=MOMENTUM, weight_decay=decay)
    assert result == pytest.approx(by_hand(muon(), steps, decay), abs=2e-4)


@pytest.mark.parametrize("rank", [2, 8])
def test_muon_loses_no_small_direction_of_a_gradient(rank):
    """The polynomial takes each of these singular values to between 0.6 and 1.3, or leaves what is too small."""
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.normal(size=(rows, rank)))[0] for rows in (36, 8))
    gradient = ((left * 10.0 ** -np.linspace(0, 2, rank)) @ right.T).reshape(3, 3, 4 * 1, 8)
    gradient = np.concatenate([gradient, gradient], axis=2).astype("float32")  # eight channels, which Muon takes
    result = moved("muon", [gradient])
    assert result == pytest.approx(by_hand(muon(), [gradient]), abs=2e-4)


@pytest.mark.parametrize("limit", [0.0, 2.0, 1e6])
def test_long_gradients_are_scaled_down_together(limit):
    steps = gradients((4, 3))
    lengths = [np.sqrt((step**2).sum()) for step in steps]
    clipped = [step * (min(1, limit / length) if limit else 1) for step, length in zip(steps, lengths, strict=True)]
    assert max(lengths) > 2
    result = moved("sgd", steps, momentum=0.0, global_clipnorm=limit)
    assert result == pytest.approx(1 - RATE * sum(clipped), abs=1e-5)
    variables = [keras.Variable(np.ones(shape, "float32")) for shape in ((2,), (3,))]
    instance = optimiser("sgd", RATE, momentum=0.0, global_clipnorm=1.0)
    instance.build(variables)
    instance.apply([ops.ones(2) * 3, ops.ones(3) * 3], variables)  # their norm together is 3 * sqrt(5)
    for variable in variables:
        assert ops.convert_to_numpy(variable) == pytest.approx(1 - RATE / np.sqrt(5), abs=1e-5)


UPDATES = [("sgd", nesterov), ("adamw", adam), ("rmsprop", rmsprop), ("muon", adam)]


@pytest.mark.parametrize(("name", "update"), UPDATES)
def test_accumulated_gradients_make_one_step_of_their_mean(name, update):
    steps, options = gradients((4, 3), count=6), {"momentum": MOMENTUM, "weight_decay": DECAY}
    means = [(first + second) / 2 for first, second in zip(steps[::2], steps[1::2], strict=True)]
    accumulated = moved(name, steps, gradient_accumulation_steps=2, **options)
    assert accumulated == pytest.approx(by_hand(update(), means, DECAY), abs=5e-4)
    unfinished = moved(name, steps[:5], gradient_accumulation_steps=2, **options)
    assert unfinished == pytest.approx(by_hand(update(), means[:2], DECAY), abs=5e-4), "half a step moves nothing"


@pytest.mark.parametrize(("name", "update"), UPDATES)
def test_a_share_of_the_learning_rate_is_for_the_step_and_the_decay(name, update):
    steps = gradients((4, 3))
    full, part = (keras.Variable(np.ones((4, 3), "float32"), name="kernel") for _ in range(2))
    instance = optimiser(name, 4 * RATE, momentum=MOMENTUM, weight_decay=DECAY, rate_shares=(1.0, 0.25))
    instance.build([full, part])
    for gradient in steps:
        instance.apply([ops.convert_to_tensor(gradient)] * 2, [full, part])
    assert ops.convert_to_numpy(part) == pytest.approx(by_hand(update(), steps, DECAY), abs=1e-4)
    whole = moved(name, steps, momentum=MOMENTUM, weight_decay=DECAY)
    assert np.abs(ops.convert_to_numpy(full) - whole).max() > 0.01
    assert float(ops.convert_to_numpy(instance.learning_rate)) == pytest.approx(4 * RATE)


def test_schedules_count_steps():
    instance = optimiser("sgd", schedule("inverse_time", 1.0, 100, decay=0.5), momentum=0.0)
    variable = keras.Variable(np.zeros(1, "float32"))
    instance.build([variable])
    places = []
    for _ in range(3):
        instance.apply([ops.ones(1)], [variable])
        places.append(float(variable[0]))
    assert places == pytest.approx([-1.0, -1 - 1 / 1.5, -1 - 1 / 1.5 - 1 / 2])


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


def small_network():
    images = keras.Input((4, 4, 1), dtype="uint8")
    x = layers.Conv2D(6, 3)(layers.Rescaling(1 / 255)(images))
    x = layers.Dropout(0.2)(layers.Activation("relu")(layers.BatchNormalization()(x)))
    x = layers.BatchNormalization()(layers.Dense(5)(layers.Flatten()(x)))
    return keras.Model(images, layers.Dense(3, dtype="float32")(x))


def batches_of(rows, batch_size, augment=None):
    rng = np.random.default_rng(0)
    images, targets = (
        rng.integers(0, 256, (rows, 4, 4, 1), dtype=np.uint8),
        np.eye(3, dtype="float32")[np.arange(rows) % 3],
    )
    return TrainingBatches(images, targets, np.arange(rows), batch_size, augment or Augment(), (0, 0))


class Weights(keras.callbacks.Callback):
    """Notes the trainable weights after every step, and again when an epoch is judged."""

    def __init__(self):
        super().__init__()
        self.steps, self.judged = [], []

    def now(self):
        return [np.array(ops.convert_to_numpy(v)) for v in self.model.trainable_variables]

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(self.now())

    def on_epoch_end(self, epoch, logs=None):
        self.judged.append(self.now())


def trained(batch_size, epochs=2, **settings):
    """Return the weights of a network without batch normalisation after each step, and its optimiser."""
    keras.utils.set_random_seed(0)
    images = keras.Input((4, 4, 1), dtype="uint8")
    x = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 255)(images))
    model = keras.Model(images, layers.Dense(3)(layers.Flatten()(x)))
    training = Training(epochs=epochs, learning_rate=0.1, **settings)
    batches = batches_of(32, batch_size)
    trainer = compile_trainer(model, training, phases(training, epochs)[0], len(batches), False)
    weights = Weights()
    swap = [SwapEMAWeights(trainer.trainable_variables)] if training.ema_momentum else []
    fit(trainer, batches, [SeedEpoch(batches), *swap, weights], epochs=epochs)
    return weights, trainer.optimizer


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sgd", "muon"])
def test_two_batches_of_four_make_the_step_of_one_of_eight(name):
    settings = {"optimiser": name, "global_clipnorm": 0.5, "weight_decay": 0.1, "schedule": "constant"}
    whole, whole_optimiser = trained(8, **settings)
    parts, optimiser_of_parts = trained(4, gradient_accumulation_steps=2, **settings)
    before = parts.steps[0]
    for half_way, one, other in zip(parts.steps[::2], parts.steps[1::2], whole.steps, strict=True):
        for start, unmoved, after, expected in zip(before, half_way, one, other, strict=True):
            assert (start == unmoved).all()
            assert after == pytest.approx(expected, abs=1e-5)
        before = one
    assert int(optimiser_of_parts.iterations) == int(whole_optimiser.iterations) == 8


@pytest.mark.slow
def test_a_schedule_ends_with_the_last_batch_that_is_accumulated():
    _, instance = trained(4, gradient_accumulation_steps=2, schedule="cosine")
    assert float(ops.convert_to_numpy(instance.learning_rate)) == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_the_average_of_accumulated_steps_forgets_as_fast_as_without():
    parts, instance = trained(4, gradient_accumulation_steps=2, optimiser="sgd", ema_momentum=0.6)
    averages = [ops.convert_to_numpy(average) for average in instance._model_variables_moving_average]
    steps, root = parts.steps[1::2], np.sqrt(0.6)
    for place, average in enumerate(averages):
        expected = steps[0][place]
        for step in steps[1:-1]:
            expected = 0.6 * expected + 0.4 * step[place]
        expected = root * expected + (1 - root) * steps[-1][place]  # after the first of the last step's two updates
        assert average == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_the_average_of_the_weights_goes_on_over_epochs_and_leaves_the_training_alone():
    result = {}
    for ema_momentum in (0.0, 0.7):
        keras.utils.set_random_seed(0)
        training = Training(optimiser="sgd", ema_momentum=ema_momentum, schedule="constant", learning_rate=0.01)
        trainer = compile_trainer(small_network(), training, phases(training, 3)[0], 4, False)
        weights, batches = Weights(), batches_of(32, 8)
        swap = [SwapEMAWeights(trainer.trainable_variables)] if ema_momentum else []
        fit(trainer, batches, [SeedEpoch(batches), *swap, weights], epochs=3)
        result[ema_momentum] = weights
    averaged = result[0.7]
    for place in range(len(averaged.steps[0])):
        for step, plain in zip(averaged.steps, result[0.0].steps, strict=True):
            assert np.allclose(step[place], plain[place], atol=1e-5)
        average = averaged.steps[0][place]
        for count, step in enumerate(averaged.steps):
            average = 0.7 * average + 0.3 * step[place] if count else step[place]
            if count % 4 == 3:
                assert np.allclose(averaged.judged[count // 4][place], average, atol=1e-5)
    assert max(np.abs(a - b).max() for a, b in zip(averaged.judged[-1], averaged.steps[-1], strict=True)) > 1e-3


def test_statistics_of_batch_normalisation_are_those_of_all_training_rows():
    """Of the second layer's inputs too, which come through the first one and no dropout."""
    training, model = Training(optimiser="sgd", learning_rate=0.01), small_network()
    trainer, batches = compile_trainer(model, training, phases(training, 1)[0], 3, False), batches_of(90, 30)
    before = [np.array(ops.convert_to_numpy(v)) for v in batch_norm.statistics(model)]

    class Judged(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.statistics = [np.array(ops.convert_to_numpy(v)) for v in batch_norm.statistics(self.model)]
            self.weights = [np.array(ops.convert_to_numpy(v)) for v in self.model.trainable_variables]

    judged = Judged()
    fit(trainer, batches, [SeedEpoch(batches), BatchNormStatistics(trainer, batches), judged], epochs=1)
    kernel, bias, gamma, beta, dense, dense_bias, *_ = judged.weights
    patches = np.lib.stride_tricks.sliding_window_view(batches.images[..., 0] / 255, (3, 3), axis=(1, 2))
    x = patches.reshape(90, 2, 2, 9) @ kernel.reshape(9, 6) + bias
    mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    assert judged.statistics[0] == pytest.approx(mean, abs=1e-4)
    assert judged.statistics[1] == pytest.approx(variance, rel=1e-3)
    x = np.maximum((x - mean) / np.sqrt(variance + 1e-3) * gamma + beta, 0)
    x = x.reshape(90, -1) @ dense + dense_bias
    assert judged.statistics[2] == pytest.approx(x.mean(axis=0), abs=1e-3)
    assert judged.statistics[3] == pytest.approx(x.var(axis=0), rel=1e-2)
    after = [np.array(ops.convert_to_numpy(v)) for v in batch_norm.statistics(model)]
    assert np.abs(after[0] - judged.statistics[0]).max() > 0.1 * np.abs(mean).max(), "training keeps its running ones"
    assert (after[0] != before[0]).any()


def test_statistics_of_many_images_are_means_over_batches(monkeypatch):
    monkeypatch.setattr(batch_norm, "BATCH_IMAGES", 40)
    model, images = small_network(), batches_of(80, 20).images
    mean, variance, *_ = batch_norm.estimator(model)(images)
    kernel, bias = (np.array(ops.convert_to_numpy(weight)) for weight in model.trainable_variables[:2])
    patches = np.lib.stride_tricks.sliding_window_view(images[..., 0] / 255, (3, 3), axis=(1, 2))
    halves = (patches.reshape(80, 2, 2, 9) @ kernel.reshape(9, 6) + bias).reshape(2, -1, 6)
    assert mean == pytest.approx(halves.mean(axis=1).mean(axis=0), abs=1e-4)
    assert variance == pytest.approx(halves.var(axis=1).mean(axis=0), rel=1e-3)


def test_frozen_statistics_stay():
    model = small_network()
    for layer in model.layers:
        layer.trainable = False
    assert batch_norm.statistics(model) == []


def test_an_epoch_has_every_row_and_fills_its_last_batch(monkeypatch):
    batches = batches_of(195, 128)
    assert len(batches) == 2
    counts = np.bincount(batches.order, minlength=195)
    assert counts.min() == 1 and counts.max() == 2 and counts.sum() == 256
    first = batches.order.copy()
    batches.begin_epoch(1)
    assert (batches.order != first).any()


@pytest.mark.slow
def test_a_schedule_counts_the_steps_that_float16_leaves_out():
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        training = Training(learning_rate=0.1, precision="mixed_float16", ema_momentum=0.5)
        keras.utils.set_random_seed(0)
        trainer, batches = (
            compile_trainer(small_network(), training, phases(training, 3)[0], 3, False),
            batches_of(24, 8),
        )
        trainer.optimizer.dynamic_scale.assign(2.0**30)  # overflows for several steps
        fit(trainer, batches, [SeedEpoch(batches)], epochs=3)
    finally:
        keras.config.set_dtype_policy(usual)
    assert float(ops.convert_to_numpy(trainer.optimizer.dynamic_scale)) < 2.0**30, "no step was left out"
    assert int(trainer.optimizer.iterations) == 9
    assert float(ops.convert_to_numpy(trainer.optimizer.learning_rate)) == pytest.approx(0, abs=1e-6)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="it is this test that runs the others there")
@pytest.mark.slow
def test_all_of_this_holds_on_jax():
    inherited = {name: value for name, value in environment().items() if not name.startswith("JAX_")}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-n", "0", __file__]
    done = subprocess.run(command, cwd=ROOT, env={**inherited, "KERAS_BACKEND": "jax"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
