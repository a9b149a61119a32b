"""Statistics of batch normalisation: before each validation they are those of all training rows."""

import numpy as np
import pytest

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
from keras import ops

from models.parts import batch_norm
from pipeline.config.schema import Training
from pipeline.training.callbacks import BatchNormStatistics, SeedEpoch
from pipeline.training.epoch import fit
from pipeline.training.phases import compile_trainer, phases
from tests.small_training import batches_of, small_network


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
