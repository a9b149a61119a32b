"""Epochs on an accelerator by the JAX backend: the images lie there, and a program draws, augments and learns batches.

A step of a small network takes a GPU less time than a batch takes to be made and handed over one by one.
"""

from collections.abc import Callable
from dataclasses import replace

import jax
import keras
import numpy as np
from jax import lax, random
from jax import numpy as jnp

from features.augment import Augment
from features.erasing import LEAST_SHARE, MOST_ASPECT, MOST_SHARE
from pipeline.batches import TrainingBatches
from pipeline.feed import Learn
from pipeline.restart import reseed, seed_of, set_variables

PIECE_STEPS = 100  # of an epoch, between two looks at how far it is
MOST_SHARE_OF_MEMORY = 0.25  # of the device, for images
DONE_HERE_OFF = {  # what is done here, as it is when it is off
    "flip": False,
    "alternating_flip": False,
    "vertical_flip": False,
    "shift_pixels": 0,
    "erase_probability": 0.0,
}


def serves(images: object, augment: Augment) -> bool:
    """Return whether these images fit on the device and whether all that changes them is done there."""
    is_all_done_here = replace(augment, **DONE_HERE_OFF) == Augment()
    return is_all_done_here and isinstance(images, np.ndarray) and images.nbytes <= room_bytes()


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
            seen = augmented(images[rows], augment, random.fold_in(key, index), mirrored[rows])
            return list(trainer.train_step(tuple(state), (seen, targets[rows]))[1])

        return lax.fori_loop(start, stop, step, state)

    return jax.jit(run, donate_argnums=0)


def augmented(images: jax.Array, augment: Augment, key: jax.Array, mirrored: jax.Array) -> jax.Array:
    """Return what `features.augment.augmented` returns, by other random numbers, for what is done here."""
    batch = images.reshape(-1, *images.shape[-3:])
    keys, count = random.split(key, 4), len(batch)
    if augment.alternating_flip:
        batch = _flip(batch, jnp.repeat(mirrored, count // len(images)), 2)
    if augment.flip:
        batch = _flip(batch, random.bernoulli(keys[0], 0.5, (count,)), 2)
    if augment.vertical_flip:
        batch = _flip(batch, random.bernoulli(keys[1], 0.5, (count,)), 1)
    if augment.shift_pixels:
        batch = _shift(batch, augment.shift_pixels, keys[2])
    if augment.erase_probability:
        batch = _erase(batch, augment.erase_probability, keys[3])
    return batch.reshape(images.shape)


def _flip(batch: jax.Array, mirrored: jax.Array, axis: int) -> jax.Array:
    return jnp.where(mirrored[:, None, None, None], jnp.flip(batch, axis), batch)


def _shift(batch: jax.Array, most_pixels: int, key: jax.Array) -> jax.Array:
    padded = jnp.pad(batch, ((0, 0), (most_pixels, most_pixels), (most_pixels, most_pixels), (0, 0)))
    corners = random.randint(key, (len(batch), 2), 0, 2 * most_pixels + 1)

    def window(image: jax.Array, corner: jax.Array) -> jax.Array:
        return lax.dynamic_slice(image, (corner[0], corner[1], 0), batch.shape[1:])

    return jax.vmap(window)(padded, corners)


def _erase(batch: jax.Array, probability: float, key: jax.Array) -> jax.Array:
    count, height, width, _ = batch.shape
    keys = random.split(key, 6)
    area = random.uniform(keys[0], (count,), minval=LEAST_SHARE, maxval=MOST_SHARE) * height * width
    aspect = jnp.exp(random.uniform(keys[1], (count,), minval=-1, maxval=1) * np.log(MOST_ASPECT))
    tall = jnp.clip(jnp.rint(jnp.sqrt(area * aspect)), 1, height).astype(int)
    wide = jnp.clip(jnp.rint(jnp.sqrt(area / aspect)), 1, width).astype(int)
    top = random.randint(keys[2], (count,), 0, height - tall + 1)[:, None]
    left = random.randint(keys[3], (count,), 0, width - wide + 1)[:, None]
    tall = jnp.where(random.bernoulli(keys[4], probability, (count,)), tall, 0)[:, None]
    rows, columns = jnp.arange(height), jnp.arange(width)
    inside_rows = (rows >= top) & (rows < top + tall)
    inside_columns = (columns >= left) & (columns < left + wide[:, None])
    inside = (inside_rows[:, :, None] & inside_columns[:, None, :])[..., None]
    return jnp.where(inside, random.bits(keys[5], batch.shape, jnp.uint8), batch)
