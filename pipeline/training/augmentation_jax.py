"""Augmentation of batches in JAX: the same as in `features`, but without rotations, shears, cutout and RICAP.

Resized crops, colours, TrivialAugment, erasing and mixup share their arithmetic with NumPy. Flips, shifts and CutMix do
not: NumPy changes only some pixels, in place, while a compiled program needs fixed shapes and computes all of them. In
NumPy the latter takes 2 to 19 times as long (`benchmarks/records/2026-11-28-one-augmentation.md`).
"""

from functools import partial

import jax
from jax import lax, random
from jax import numpy as jnp

from features.augmentation.augment import Augment
from features.augmentation.colours import recolour
from features.augmentation.crops import crop_windows, enlarge
from features.augmentation.erasing import LEAST_SHARE, MOST_SHARE, rectangle_sides, rectangles
from features.augmentation.mixing import blend
from features.augmentation.trivial import CHANGES, WAYS

OFF = {  # the settings that this module supports, with the values that turn them off
    "flip": False,
    "alternating_flip": False,
    "vertical_flip": False,
    "shift_pixels": 0,
    "area_crop_share": 0.0,
    "trivial_augment": False,
    "brightness_share": 0.0,
    "contrast_share": 0.0,
    "saturation_share": 0.0,
    "hue_share": 0.0,
    "erase_probability": 0.0,
    "mixup_alpha": 0.0,
    "cutmix_alpha": 0.0,
}
Mixed = tuple[jax.Array, jax.Array]  # uint8 images (n, ..., height, width, channels), float32 targets (n, classes)


def supports(augment: Augment) -> bool:
    """Return whether this module supports every augmentation that is on."""
    return augment.model_copy(update=OFF) == Augment()


def augment_images(images: jax.Array, augment: Augment, key: jax.Array, mirrored: jax.Array) -> jax.Array:
    """Return the images that `features.augmentation.augment.augment_images` returns, but with other random numbers.

    Settings that `supports` refuses are ignored.
    """
    batch = images.reshape(-1, *images.shape[-3:])
    keys, count = random.split(key, 7), len(batch)
    if augment.alternating_flip:
        batch = _flip(batch, jnp.repeat(mirrored, count // len(images)), 2)
    if augment.flip:
        batch = _flip(batch, random.bernoulli(keys[0], 0.5, (count,)), 2)
    if augment.vertical_flip:
        batch = _flip(batch, random.bernoulli(keys[1], 0.5, (count,)), 1)
    if augment.shift_pixels:
        batch = _shift(batch, augment.shift_pixels, keys[2])
    if augment.area_crop_share:
        batch = _resized_crop(batch, augment.area_crop_share, keys[4])
    if augment.trivial_augment:
        batch = _trivial_augment(batch, keys[5])
    colours = (augment.brightness_share, augment.contrast_share, augment.saturation_share, augment.hue_share)
    if any(colours):
        draws = random.uniform(keys[6], (4, count), minval=-1, maxval=1) * jnp.array(colours)[:, None]
        batch = recolour(batch, 255 * draws[0], 1 + draws[1], 1 + draws[2], draws[3])
    if augment.erase_probability:
        batch = _erase(batch, augment.erase_probability, keys[3])
    return batch.reshape(images.shape)


def mix_images(images: jax.Array, targets: jax.Array, augment: Augment, key: jax.Array) -> Mixed:
    """Return the images and targets of `features.augmentation.augment.mix_images`, but with other random numbers.

    It does mixup and CutMix only.
    """
    strengths = [(_mixup, augment.mixup_alpha), (_cutmix, augment.cutmix_alpha)]
    ways = [partial(way, alpha) for way, alpha in strengths if alpha]
    if not ways:
        return images, targets
    keys = random.split(key)
    return lax.switch(random.randint(keys[0], (), 0, len(ways)), ways, images, targets, keys[1])


def _mixup(alpha: float, images: jax.Array, targets: jax.Array, key: jax.Array) -> Mixed:
    keys, count = random.split(key), len(images)
    share, other = random.beta(keys[0], alpha, alpha, (count,)), random.permutation(keys[1], count)
    return blend(images, targets, share, other)


def _cutmix(alpha: float, images: jax.Array, targets: jax.Array, key: jax.Array) -> Mixed:
    keys, sides = random.split(key, 3), jnp.array(images.shape[-3:-1])
    half = jnp.sqrt(random.beta(keys[0], alpha, alpha)) * sides / 2
    centre, other = random.randint(keys[1], (2,), 0, sides), random.permutation(keys[2], len(images))
    low = jnp.maximum(0, jnp.rint(centre - half)).astype(int)
    high = jnp.minimum(sides, jnp.rint(centre + half)).astype(int)
    rows, columns = (jnp.arange(side) for side in images.shape[-3:-1])
    inside_rows, inside_columns = (rows >= low[0]) & (rows < high[0]), (columns >= low[1]) & (columns < high[1])
    inside = (inside_rows[:, None] & inside_columns)[..., None]
    share = inside.mean()
    return jnp.where(inside, images[other], images), targets * (1 - share) + targets[other] * share


def _flip(batch: jax.Array, mirrored: jax.Array, axis: int) -> jax.Array:
    return jnp.where(mirrored[:, None, None, None], jnp.flip(batch, axis), batch)


def _shift(batch: jax.Array, most_pixels: int, key: jax.Array) -> jax.Array:
    padded = jnp.pad(batch, ((0, 0), (most_pixels, most_pixels), (most_pixels, most_pixels), (0, 0)))
    corners = random.randint(key, (len(batch), 2), 0, 2 * most_pixels + 1)

    def window(image: jax.Array, corner: jax.Array) -> jax.Array:
        return lax.dynamic_slice(image, (corner[0], corner[1], 0), batch.shape[1:])

    return jax.vmap(window)(padded, corners)


def _resized_crop(batch: jax.Array, most_share: float, key: jax.Array) -> jax.Array:
    keys, count = random.split(key, 3), len(batch)
    kept_share = random.uniform(keys[0], (count,), minval=1 - most_share)
    tallness, places = random.uniform(keys[1], (count,), minval=-1, maxval=1), random.uniform(keys[2], (count, 2))
    return enlarge(batch, *crop_windows(kept_share, tallness, places, batch.shape[1:3]))


def _trivial_augment(batch: jax.Array, key: jax.Array) -> jax.Array:
    keys, count = random.split(key), len(batch)
    change, strength = random.randint(keys[0], (count,), 0, len(CHANGES)), random.uniform(keys[1], (count,), minval=-1)
    for _, way in WAYS:  # each leaves the images alone that have another change
        batch = way(batch, change, strength)
    return batch


def _erase(batch: jax.Array, probability: float, key: jax.Array) -> jax.Array:
    count, height, width, _ = batch.shape
    keys = random.split(key, 6)
    share = random.uniform(keys[0], (count,), minval=LEAST_SHARE, maxval=MOST_SHARE)
    tallness = random.uniform(keys[1], (count,), minval=-1, maxval=1)
    tall, wide = rectangle_sides(share, tallness, height, width)
    row = random.randint(keys[2], (count,), 0, height - tall + 1)
    column = random.randint(keys[3], (count,), 0, width - wide + 1)
    tall = jnp.where(random.bernoulli(keys[4], probability, (count,)), tall, 0)
    noise = random.bits(keys[5], batch.shape, jnp.uint8)
    return jnp.where(rectangles(batch.shape, row, column, tall, wide), noise, batch)
