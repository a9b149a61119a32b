"""What accumulated gradients, averages of weights and schedules do over the epochs of a training."""

import numpy as np
import pytest

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
from keras import ops

from pipeline.config.schema import Training
from pipeline.training.callbacks import SeedEpoch, SwapEMAWeights
from pipeline.training.epoch import fit
from pipeline.training.phases import compile_trainer, phases
from tests.small_training import Weights, batches_of, small_network, trained


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
