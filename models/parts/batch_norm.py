"""Statistics of batch normalisation, estimated for the weights as they are.

The running ones lag behind the weights: with Keras's momentum of 0.99 they need a thousand steps to forget where they
began. Averaged weights have none of their own (Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras
import numpy as np
from keras import layers

from models.parts.compiling import jit_compile

BATCH_IMAGES = 500


def statistics(model: keras.Model) -> list[keras.Variable]:
    """Return the moving means and variances, in pairs, that training changes; those of frozen layers stay."""
    return [
        each for norm in _layers(model, layers.BatchNormalization) for each in (norm.moving_mean, norm.moving_variance)
    ]


def estimator(model: keras.Model) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Return what estimates `statistics(model)`, as arrays, over images (n, ...) that the model takes.

    They are the means over batches, as in training, but of all images alike and without dropout, as in prediction.
    The model's own statistics are left with other values.
    """
    in_training = InTraining(model)
    in_training.compile(jit_compile=jit_compile())
    variables = statistics(model)

    def estimated(images: np.ndarray) -> list[np.ndarray]:
        batches = max(1, len(images) // BATCH_IMAGES)
        sums = [np.zeros(variable.shape) for variable in variables]
        with _batches_by_themselves(model):
            for batch in np.array_split(images, batches):
                in_training.predict_on_batch(batch)
                sums = [total + keras.ops.convert_to_numpy(each) for total, each in zip(sums, variables, strict=True)]
        return [total / batches for total in sums]

    return estimated


class InTraining(keras.Model):
    """A model that predicts as it does while it trains."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.model = model

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        return self.model(images, training=True)


@contextmanager
def _batches_by_themselves(model: keras.Model) -> Iterator[None]:
    """Let the statistics be those of the last batch alone, and no dropout change them, inside the block."""
    changed = [(layer, "momentum") for layer in _layers(model, layers.BatchNormalization)]
    changed += [(layer, "rate") for layer in _layers(model, layers.Dropout)]
    before = [getattr(layer, name) for layer, name in changed]
    for layer, name in changed:
        setattr(layer, name, 0.0)
    try:
        yield
    finally:
        for (layer, name), value in zip(changed, before, strict=True):
            setattr(layer, name, value)


def _layers(model: keras.Model, kind: type) -> list[layers.Layer]:
    """Return the model's trainable layers of a kind, those of models inside it among them."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, kind) and layer.trainable]
