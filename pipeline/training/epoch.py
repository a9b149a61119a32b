"""Epochs of batches: made by Python and handed to Keras or, where the backend allows it, made on the device."""

from collections.abc import Callable

import keras
import numpy as np

from features.augmentation.augment import Augment
from pipeline.training.batches import TrainingBatches
from pipeline.training.joined_images import Joined
from pipeline.training.seeding import reseed

# Trains for an epoch, tells of steps done and of figures so far, and returns the epoch's mean loss and metrics.
Learn = Callable[[TrainingBatches, Callable[[int, dict], None]], dict[str, float]]


def epochs(trainer: keras.Model, images: np.ndarray | Joined, targets: np.ndarray, augment: Augment) -> Learn:
    """Return what trains the compiled model for an epoch of batches of these images, seeded as the batches are."""
    if keras.backend.backend() != "tensorflow":
        # Else `fit` makes the variables of metrics by a batch, and begins a trainer's first epoch at the second one.
        trainer._symbolic_build(data_batch=(images[np.arange(1)], targets[:1]))
    if keras.backend.backend() == "jax":
        from pipeline.training import epoch_jax as on_device  # which imports JAX

        if on_device.serves(images, augment):
            return on_device.epochs(trainer, images, targets, augment)

    def learn(batches: TrainingBatches, done: Callable[[int, dict], None]) -> dict[str, float]:
        # Inside `fit`, because the first one of a process may draw random numbers before it begins.
        watching = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda *_: reseed(trainer, batches.seeds),
            on_train_batch_end=lambda _, logs: done(1, logs),
        )
        figures = trainer.fit(batches, shuffle=False, verbose=0, callbacks=[watching]).history
        return {name: values[0] for name, values in figures.items()}

    return learn
