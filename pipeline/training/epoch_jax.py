"""Epochs on an accelerator by the JAX backend: the images lie there, and a program draws, augments and learns batches.

A step of a small network takes a GPU less time than a batch takes to be made and handed over one by one.
"""

from collections.abc import Callable

import jax
import keras
import numpy as np
from jax import lax, random
from jax import numpy as jnp

from features.augmentation.augment import Augment
from pipeline.training.augmentation_jax import augmented, mixed, supports
from pipeline.training.batches import TrainingBatches
from pipeline.training.seeding import Purpose, seed_of, set_variables

PIECE_STEPS = 100  # of an epoch, between two looks at how far it is
MOST_SHARE_OF_MEMORY = 0.25  # of the device, for images


def serves(images: object, augment: Augment) -> bool:
    """Return whether these images fit on the device, and whether all that changes them is done there."""
    return supports(augment) and isinstance(images, np.ndarray) and images.nbytes <= room_bytes()


def room_bytes() -> float:
    """Return how large images may be: not at all on a CPU, where a program is fourteen times slower than `fit`."""
    return MOST_SHARE_OF_MEMORY * (jax.devices()[0].memory_stats() or {}).get("bytes_limit", 0)


def fit(
    trainer: keras.Model,
    batches: TrainingBatches,
    callbacks: list[keras.callbacks.Callback],
    *,
    initial_epoch: int,
    epochs: int,
) -> None:
    """Train the compiled model as `keras.Model.fit` does, in the batches' order, but by seeds of its own.

    Callbacks hear of the last step of each piece.
    """
    calls = keras.callbacks.CallbackList(callbacks, model=trainer, epochs=epochs, steps=len(batches))
    on_device = jax.device_put((batches.images, batches.targets))
    if getattr(trainer, "device_program", None) is None:
        trainer.device_program = _program(trainer, batches.augment)
    trainer.stop_training = False
    calls.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        trainer.reset_metrics()
        calls.on_epoch_begin(epoch)
        _epoch(trainer, batches, on_device, lambda step: calls.on_train_batch_end(step, {}))
        calls.on_epoch_end(epoch, {name: float(value) for name, value in trainer.get_metrics_result().items()})
        if trainer.stop_training:
            break
    trainer.optimizer.finalize_variable_values(trainer.trainable_variables)
    calls.on_train_end()


def _epoch(
    trainer: keras.Model,
    batches: TrainingBatches,
    on_device: tuple[jax.Array, jax.Array],
    piece_done: Callable[[int], None],
) -> None:
    order = jnp.asarray(batches.order.reshape(len(batches), -1))
    mirrored = jnp.asarray(np.zeros(len(batches.images), bool) if batches.mirrored is None else batches.mirrored)
    variables = _variables(trainer)
    state = [[variable.value for variable in group] for group in variables]
    key = random.key(seed_of(batches.epoch_seeds, Purpose.IMAGES))
    for start in range(0, len(batches), PIECE_STEPS):
        stop = min(start + PIECE_STEPS, len(batches))
        state = jax.block_until_ready(trainer.device_program(state, *on_device, order, mirrored, key, start, stop))
        piece_done(stop - 1)
    for group, values in zip(variables, state, strict=True):
        set_variables(group, values)


def _variables(trainer: keras.Model) -> list[list[keras.Variable]]:
    return [
        trainer.trainable_variables,
        trainer.non_trainable_variables,
        trainer.optimizer.variables,
        trainer.metrics_variables,
    ]


def _program(trainer: keras.Model, augment: Augment) -> Callable:
    """Return some steps of an epoch as one compiled function, which takes the variables over."""

    def run(state, images, targets, order, mirrored, key, start, stop):  # noqa: ANN001, ANN202
        def step(index: jax.Array, state: list) -> list:
            rows = order[index]
            keys = random.split(random.fold_in(key, index))
            changed = augmented(images[rows], augment, keys[0], mirrored[rows])
            seen = mixed(changed, targets[rows], augment, keys[1])
            return list(trainer.train_step(tuple(state), seen)[1])

        return lax.fori_loop(start, stop, step, state)

    return jax.jit(run, donate_argnums=0)
