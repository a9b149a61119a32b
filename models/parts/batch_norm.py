"""Estimate the statistics of batch normalisation for the current weights.

The running statistics lag behind the weights: with Keras's momentum of 0.99 they need a thousand steps to forget their
initial values. Averaged weights have no running statistics (Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras
import numpy as np
from keras import layers

from models.parts.compiling import jit_compile

BATCH_IMAGES = 500


def statistics(model: keras.Model) -> list[keras.Variable]:
    """Return the moving mean and variance of every batch normalisation that trains. Frozen layers are left out."""
    return [
        variable
        for norm in _layers(model, layers.BatchNormalization)
        for variable in (norm.moving_mean, norm.moving_variance)
    ]


def estimator(model: keras.Model) -> Callable[..., list[np.ndarray]]:
    """Return a function from the model's inputs (n, ...), such as images, to arrays that estimate `statistics(model)`.

    The estimates are means over batches, as in training. All images count equally and dropout is off, as in prediction.
    The function changes the model's own statistics.
    """
    training_model = TrainingMode(model)
    training_model.compile(jit_compile=jit_compile())
    variables = statistics(model)

    def estimate(*inputs: np.ndarray) -> list[np.ndarray]:
        batches = max(1, len(inputs[0]) // BATCH_IMAGES)
        sums = [np.zeros(variable.shape) for variable in variables]
        with _single_batch_statistics(model):
            for batch in zip(*(np.array_split(array, batches) for array in inputs), strict=True):
                training_model.predict_on_batch(batch[0] if len(batch) == 1 else batch)
                values = [keras.ops.convert_to_numpy(variable) for variable in variables]
                sums = [total + value for total, value in zip(sums, values, strict=True)]
        return [total / batches for total in sums]

    return estimate


class TrainingMode(keras.Model):
    """A model whose predictions are those of training mode."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.model = model

    def call(self, inputs: keras.KerasTensor | tuple[keras.KerasTensor, ...]) -> keras.KerasTensor:
        return self.model(inputs, training=True)


@contextmanager
def _single_batch_statistics(model: keras.Model) -> Iterator[None]:
    """Inside the block, the moving statistics are those of the last batch alone, and dropout is off."""
    attributes = [(layer, "momentum") for layer in _layers(model, layers.BatchNormalization)]
    attributes += [(layer, "rate") for layer in _layers(model, layers.Dropout)]
    before = [getattr(layer, name) for layer, name in attributes]
    for layer, name in attributes:
        setattr(layer, name, 0.0)
    try:
        yield
    finally:
        for (layer, name), value in zip(attributes, before, strict=True):
            setattr(layer, name, value)


def _layers(model: keras.Model, kind: type[layers.Layer]) -> list[layers.Layer]:
    """Return the trainable layers of a kind, including those in nested models."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, kind) and layer.trainable]
