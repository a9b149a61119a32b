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
from pipeline.training.epoch import Learn
from pipeline.training.seeding import reseed, seed_of, set_variables

PIECE_STEPS = 100  # of an epoch, between two looks at how far it is
MOST_SHARE_OF_MEMORY = 0.25  # of the device, for images


def serves(images: object, augment: Augment) -> bool:
    """Return whether these images fit on the device, and whether all that changes them is done there."""
    return supports(augment) and isinstance(images, np.ndarray) and images.nbytes <= room_bytes()


def room_bytes() -> float:
    """Return how large images may be: not at all on a CPU, where a program is fourteen times slower than `fit`."""
    return MOST_SHARE_OF_MEMORY * (jax.devices()[0].memory_stats() or {}).get("bytes_limit", 0)


def epochs(trainer: keras.Model, images: np.ndarray, targets: np.ndarray, augment: Augment) -> Learn:
    """Return what trains a compiled model for an epoch, in the batches' order and by their seeds."""
    on_device = jax.device_put((images, targets))
    program = _program(trainer, augment)

    def train(batches: TrainingBatches, done: Callable[[int, dict], None]) -> dict[str, float]:
        steps = len(batches)
        order = jnp.asarray(batches.order[: steps * batches.batch_size].reshape(steps, -1))
        mirrored = jnp.asarray(np.zeros(len(images), bool) if batches.mirrored is None else batches.mirrored)
        reseed(trainer, batches.seeds)
        trainer.reset_metrics()
        variables = _variables(trainer)
        state = [[variable.value for variable in group] for group in variables]
        key = random.key(seed_of(*batches.seeds))
        for start in range(0, steps, PIECE_STEPS):
            stop = min(start + PIECE_STEPS, steps)
            state = jax.block_until_ready(program(state, *on_device, order, mirrored, key, start, stop))
            done(stop - start, {})
        for group, values in zip(variables, state, strict=True):
            set_variables(group, values)
        return {name: float(value) for name, value in trainer.get_metrics_result().items()}

    return train


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
