"""Put a first layer before a network that normalises uint8 pixels as they are on the disk.

So training and prediction normalise in the same way, and a saved model needs no other file.
"""

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from models.parts.sums import PriceSums


def on_images(
    network: keras.Model, image_shape: tuple[int, int, int], scale: np.ndarray, offset: np.ndarray
) -> keras.Model:
    """Return a model of uint8 images (batch, *image_shape), which are normalised and resized for `network`.

    Args:
        network: from normalised images to logits.
        image_shape: (height, width, channels) of the pixels.
        scale, offset: broadcastable to `image_shape`; the network sees pixels * scale + offset.
    """
    images = keras.Input(image_shape, dtype="uint8")
    return keras.Model(images, network(_normalise(images, network, scale, offset)), name="on_images")


def on_items(
    network: keras.Model,
    item_shape: tuple[int, int, int],
    scale: np.ndarray,
    offset: np.ndarray,
    sums: PriceSums,
) -> keras.Model:
    """Return a model of uint8 crops (batch, count, *item_shape) that all pass through one `network`.

    `sums` turns the logits (batch, count, kinds) of the items into those of the image (batch, classes).
    """
    crops = keras.Input((sums.count, *item_shape), dtype="uint8")
    flat = ops.reshape(crops, (-1, *item_shape))
    logits = network(_normalise(flat, network, scale, offset))
    return keras.Model(crops, sums(ops.reshape(logits, (-1, sums.count, logits.shape[-1]))), name="on_items")


def on_grid(
    network: keras.Model, image_shape: tuple[int, int, int], scale: np.ndarray, offset: np.ndarray, sums: PriceSums
) -> keras.Model:
    """Return a model of uint8 images (batch, *image_shape). Each cell of the network's last grid has an item or none.

    `network` ends in logits (batch, rows, columns, kinds), and its first kind means an empty cell. `sums` turns the
    logits of all cells into those of the image (batch, classes). The empty kind gets a bias, with which a fresh network
    (whose logits are about equal) expects the right number of items.

    Raises:
        ValueError: the grid does not have more cells than the image has items.
    """
    images = keras.Input(image_shape, dtype="uint8")
    logits = network(_normalise(images, network, scale, offset))
    rows, columns, kinds = logits.shape[1:]
    empty_cells = rows * columns - sums.count
    if empty_cells < 1:
        raise ValueError(f"{network.name} ends in {rows}x{columns} cells, expected more than {sums.count}, the items")
    bias = [math.log((kinds - 1) * empty_cells / sums.count), *[0.0] * (kinds - 1)]
    cells = layers.Rescaling(1.0, bias, dtype="float32", name="cells")(ops.reshape(logits, (-1, rows * columns, kinds)))
    return keras.Model(images, sums(cells), name="on_grid")


def with_prior(model: keras.Model, prior: np.ndarray) -> keras.Model:
    """Return the model with `prior` (classes,) added to its logits, so that its weights need not learn it."""
    outputs = layers.Rescaling(1.0, np.asarray(prior).tolist(), dtype="float32", name="prior")(model.outputs[0])
    return keras.Model(model.inputs, outputs, name=model.name)


def _normalise(
    images: keras.KerasTensor, network: keras.Model, scale: np.ndarray, offset: np.ndarray
) -> keras.KerasTensor:
    x = layers.Rescaling(np.asarray(scale).tolist(), np.asarray(offset).tolist(), name="normalise")(images)
    height, width = network.input_shape[1:3]
    return x if x.shape[1:3] == (height, width) else layers.Resizing(height, width, name="resize")(x)


def affine(normalise: str, mean: Sequence[float], std: Sequence[float], pixel_mean: np.ndarray) -> tuple:
    """Return (scale, offset) of a normalisation of pixels 0..255.

    Args:
        normalise: `standardise` (per channel, mean 0 and std 1), `unit` (0..1) or `pixel_mean` (0..1, minus the mean).
        mean, std: per channel (channels,), of training images, 0..255.
        pixel_mean: the mean training image (height, width, channels), 0..255.
    """
    if normalise == "standardise":
        spread = np.maximum(np.asarray(std), 1e-3)  # avoids a division by zero for a constant channel
        return 1 / spread, -np.asarray(mean) / spread
    if normalise == "unit":
        return np.float64(1 / 255), np.float64(0)
    return np.float64(1 / 255), -np.asarray(pixel_mean, np.float64) / 255
