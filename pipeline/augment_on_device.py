"""Augmentation of batches inside a program of the JAX backend: flips, shifts and erasing, as `features` does them."""

from dataclasses import replace

import jax
import numpy as np
from jax import lax, random
from jax import numpy as jnp

from features.augment import Augment
from features.erasing import LEAST_SHARE, MOST_ASPECT, MOST_SHARE

OFF = {  # what is done here, as it is when it is off
    "flip": False,
    "alternating_flip": False,
    "vertical_flip": False,
    "shift_pixels": 0,
    "erase_probability": 0.0,
}


def supports(augment: Augment) -> bool:
    """Return whether all that changes images is done here."""
    return replace(augment, **OFF) == Augment()


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
