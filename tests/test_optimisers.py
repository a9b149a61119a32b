"""Schedules and optimisers: where rates start and end, what decays, and how Muon moves a convolution."""

import keras
import numpy as np
import pytest
from keras import ops

from models.parts.optimisers import optimiser, schedule


def test_schedules_start_peak_and_end_where_they_say():
    one_cycle = schedule("one_cycle", 1.0, 100)
    rates = [float(one_cycle(step)) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == pytest.approx(1.0, abs=0.05)
    assert rates[100] == pytest.approx(0, abs=1e-6)
    assert float(schedule("cosine", 1.0, 100)(50)) == pytest.approx(0.5, abs=1e-6)
    assert float(schedule("inverse_time", 1.0, 100, decay=0.1)(10)) == pytest.approx(0.5)
    assert schedule("plateau", 0.1, 100) == 0.1


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop", "muon"])
def test_weight_decay_spares_biases(name):
    dense = keras.layers.Dense(2, bias_initializer="ones")
    model = keras.Sequential([keras.Input((3,)), dense])
    instance = optimiser(name, 0.1, weight_decay=0.5)
    instance.build(model.trainable_variables)
    before = ops.convert_to_numpy(dense.kernel)
    instance.apply([ops.zeros(v.shape) for v in model.trainable_variables], model.trainable_variables)
    assert np.abs(ops.convert_to_numpy(dense.kernel)).sum() < np.abs(before).sum()
    assert np.allclose(ops.convert_to_numpy(dense.bias), 1)


def test_muon_moves_a_convolution_as_far_in_every_direction():
    convolution = keras.layers.Conv2D(24, 3)
    convolution.build((None, 9, 9, 16))
    instance = optimiser("muon", 0.1)
    instance.build(convolution.trainable_variables)
    before = ops.convert_to_numpy(convolution.kernel)
    gradients = [
        np.random.default_rng(0).normal(size=v.shape).astype("float32") for v in convolution.trainable_variables
    ]
    gradients[0][..., 0] *= 1000  # plain gradients would move little but this filter
    instance.apply(gradients, convolution.trainable_variables)
    moved = (ops.convert_to_numpy(convolution.kernel) - before).reshape(-1, 24)
    lengths = np.linalg.svd(moved, compute_uv=False) / (0.1 * 0.2 * np.sqrt(len(moved)))
    assert lengths.max() < 1.3
    assert lengths.min() > 0.3
    assert np.allclose(np.abs(ops.convert_to_numpy(convolution.bias)), 0.1, atol=1e-3)  # Adam's first step


def test_muon_makes_a_matrix_nearly_orthogonal_in_bfloat16(monkeypatch):
    monkeypatch.setattr("models.parts.optimisers.is_tensorflow_on_a_cpu", lambda: False)
    matrix = ops.convert_to_tensor(np.random.default_rng(0).normal(size=(144, 24)).astype("float32"))
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        result = optimiser("muon", 0.1).zeropower_via_newtonschulz5(matrix, 5)
    finally:
        keras.config.set_dtype_policy(usual)
    lengths = np.linalg.svd(ops.convert_to_numpy(result), compute_uv=False)
    assert 0.6 < lengths.min() < lengths.max() < 1.3
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    assert np.array_equal(ops.convert_to_numpy(result), ops.convert_to_numpy(ops.cast(result, "bfloat16"))), (
        "not taken in it"
    )
