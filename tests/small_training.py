"""A network that trains in a moment, its batches, and the weights after each of its steps."""

import numpy as np

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
from keras import layers, ops

from features.augmentation.augment import Augment
from pipeline.config.schema import Training
from pipeline.training.batches import TrainingBatches
from pipeline.training.callbacks import SeedEpoch, SwapEMAWeights
from pipeline.training.epoch import fit
from pipeline.training.phases import compile_trainer, phases


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
