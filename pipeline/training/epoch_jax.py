"""Epochs on an accelerator with JAX. The device holds the images, and one program makes batches and trains on them.

For a small network on a GPU, a training step takes less time than preparing and copying a batch on the CPU.
"""

from collections.abc import Callable

import jax
import keras
import numpy as np
from jax import lax, random
from jax import numpy as jnp

from features.augmentation.augment import Augment
from pipeline.training.augmentation_jax import augment_images, mix_images, supports
from pipeline.training.batches import TrainingBatches
from pipeline.training.seeding import Purpose, seed_of
from pipeline.training.variables import set_variables

PIECE_STEPS = 100  # steps between two updates of the progress bar
MOST_SHARE_OF_MEMORY = 0.25  # of the device's memory, for images


def supports_data(images: object, augment: Augment) -> bool:
    """Return whether these images fit on the device, and whether the program supports their augmentation."""
    return supports(augment) and isinstance(images, np.ndarray) and images.nbytes <= image_limit_bytes()


def image_limit_bytes() -> float:
    """Return the largest size of images on the device. It is 0 on a CPU, where `fit` is fourteen times faster."""
    return MOST_SHARE_OF_MEMORY * (jax.devices()[0].memory_stats() or {}).get("bytes_limit", 0)


def fit(
    trainer: keras.Model,
    batches: TrainingBatches,
    callbacks: list[keras.callbacks.Callback],
    *,
    initial_epoch: int,
    epochs: int,
) -> None:
    """Train the compiled model as `keras.Model.fit` does, in the batches' order, but with its own random numbers.

    Callbacks are called for the last step of every PIECE_STEPS.
    """
    calls = keras.callbacks.CallbackList(callbacks, model=trainer, epochs=epochs, steps=len(batches))
    on_device = jax.device_put((batches.images, batches.columns, batches.targets))
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
    on_device: tuple[jax.Array, jax.Array | None, jax.Array],
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
    """Return some steps of an epoch as one compiled function. It reuses the memory of the variables that it gets."""

    def run(
        state: list,
        images: jax.Array,
        columns: jax.Array | None,
        targets: jax.Array,
        order: jax.Array,
        mirrored: jax.Array,
        key: jax.Array,
        start: int,
        stop: int,
    ) -> list:
        def step(index: jax.Array, state: list) -> list:
            rows = order[index]
            keys = random.split(random.fold_in(key, index))
            changed = augment_images(images[rows], augment, keys[0], mirrored[rows])
            mixed, mixed_targets = mix_images(changed, targets[rows], augment, keys[1])
            inputs = mixed if columns is None else (mixed, columns[rows])
            return list(trainer.train_step(tuple(state), _split((inputs, mixed_targets)))[1])

        return lax.fori_loop(start, stop, step, state)

    return jax.jit(run, donate_argnums=0)


def _split(batch: tuple) -> tuple:
    """Return the batch with a part on each device, if the member trains on several (`devices: all`)."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return batch

    def split(array: jax.Array) -> jax.Array:
        return lax.with_sharding_constraint(array, distribution.get_data_layout(array.shape).backend_layout)

    return jax.tree.map(split, batch)
