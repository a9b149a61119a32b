"""How far each optimiser moves a variable, calculated by hand in NumPy."""

import numpy as np
import pytest

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
from keras import ops

from models.parts.optimisers import optimiser, schedule

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
