"""Random changes to a batch of uint8 training images. Each change can be switched on or off."""

import numpy as np

from features.augmentation.colours import jitter
from features.augmentation.crops import resized_crop
from features.augmentation.erasing import cutout, erase
from features.augmentation.mixing import cutmix, mixup, ricap
from features.augmentation.options import Augment
from features.augmentation.trivial import trivial_augment
from features.augmentation.warps import flip, matrices, shift, warp


def augment_images(
    images: np.ndarray, options: Augment, rng: np.random.Generator, mirrored: np.ndarray | None = None
) -> np.ndarray:
    """Return changed uint8 images (n, ..., height, width, channels). Their labels stay the same.

    Axes between the first and the last three are merged with the first, so the items of an image change independently.
    `mirrored`, bool (n,), are the images that an alternating flip mirrors.
    """
    batch = images.reshape(-1, *images.shape[-3:])
    images_per_row = len(batch) // max(1, len(images))
    if mirrored is not None:
        batch = flip(batch, np.repeat(mirrored, images_per_row))
    if options.flip:
        batch = flip(batch, rng.random(len(batch)) < 0.5)
    if options.vertical_flip:
        batch = flip(batch, rng.random(len(batch)) < 0.5, axis=1)
    if options.shift_pixels:
        batch = shift(batch, (options.shift_pixels, options.shift_pixels), rng)
    if options.shift_share:
        height, width = (round(options.shift_share * side) for side in batch.shape[1:3])
        batch = shift(batch, (height, width), rng)
    if options.area_crop_share:
        batch = resized_crop(batch, options.area_crop_share, rng)
    warps = {
        "rotation_degrees": options.rotation_degrees,
        "rescale_share": options.rescale_share,
        "shear_degrees": options.shear_degrees,
        "crop_share": options.crop_share,
    }
    if any(warps.values()):
        batch = warp(batch, matrices(len(batch), batch.shape[1:3], rng, **warps))
    if options.trivial_augment:
        batch = trivial_augment(batch, rng)
    colours = (options.brightness_share, options.contrast_share, options.saturation_share, options.hue_share)
    if any(colours):
        batch = jitter(batch, *colours, rng)
    if options.erase_probability:
        batch = erase(batch, options.erase_probability, rng)
    if options.cutout_pixels:
        batch = cutout(batch, options.cutout_pixels, rng)
    return batch.reshape(images.shape)


def mix_images(
    images: np.ndarray, targets: np.ndarray, options: Augment, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, ..., height, width, channels) and targets (n, classes), mixed by one of the enabled methods.

    All items and channels of an image are mixed in the same shares.
    """
    ways = [(mixup, options.mixup_alpha), (cutmix, options.cutmix_alpha), (ricap, options.ricap_beta)]
    ways = [(way, strength) for way, strength in ways if strength]
    if not ways:
        return images, targets
    way, strength = ways[rng.integers(len(ways))]
    items = images.reshape(len(images), -1, *images.shape[-3:])  # (n, items, height, width, channels)
    n, count, height, width, channels = items.shape
    stacked = np.moveaxis(items, 1, 3).reshape(n, height, width, count * channels)
    stacked, targets = way(stacked, targets, strength, rng)
    items = np.moveaxis(stacked.reshape(n, height, width, count, channels), 3, 1)
    return np.ascontiguousarray(items).reshape(images.shape), targets
