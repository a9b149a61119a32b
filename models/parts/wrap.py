"""From what lies on the disk to what a network takes: uint8 pixels are normalised by a model's first layer.

So training and prediction cannot differ, and a saved model needs nothing beside it.
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
    """Return `network` behind layers that take uint8 images (batch, *image_shape), resized where it wants another size.

    Args:
        network: from normalised images to logits.
        image_shape: (height, width, channels) of the pixels.
        scale, offset: broadcastable to `image_shape`; the network sees pixels * scale + offset.
    """
    images = keras.Input(image_shape, dtype="uint8")
    return keras.Model(images, network(_normalised(images, network, scale, offset)), name="on_images")


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
    logits = network(_normalised(flat, network, scale, offset))
    return keras.Model(crops, sums(ops.reshape(logits, (-1, sums.count, logits.shape[-1]))), name="on_items")


def on_grid(
    network: keras.Model, image_shape: tuple[int, int, int], scale: np.ndarray, offset: np.ndarray, sums: PriceSums
) -> keras.Model:
    """Return a model of uint8 images (batch, *image_shape), each cell of whose last grid holds an item or nothing.

    `network` ends in logits (batch, rows, columns, kinds), where the first kind is nothing, and `sums` turns those of
    all cells into those of the image (batch, classes). Nothing gets a bias with which a fresh network, whose logits are
    about equal, expects as many items as there are.

    Raises:
        ValueError: the grid has not more cells than the image has items.
    """
    images = keras.Input(image_shape, dtype="uint8")
    logits = network(_normalised(images, network, scale, offset))
    rows, columns, kinds = logits.shape[1:]
    empty_cells = rows * columns - sums.count
    if empty_cells < 1:
        raise ValueError(f"{network.name} ends in {rows}x{columns} cells, expected more than {sums.count}, one an item")
    bias = [math.log((kinds - 1) * empty_cells / sums.count), *[0.0] * (kinds - 1)]
    cells = layers.Rescaling(1.0, bias, dtype="float32", name="cells")(ops.reshape(logits, (-1, rows * columns, kinds)))
    return keras.Model(images, sums(cells), name="on_grid")


def _normalised(
    images: keras.KerasTensor, network: keras.Model, scale: np.ndarray, offset: np.ndarray
) -> keras.KerasTensor:
    x = layers.Rescaling(np.asarray(scale).tolist(), np.asarray(offset).tolist(), name="normalise")(images)
    height, width = network.input_shape[1:3]
    return x if x.shape[1:3] == (height, width) else layers.Resizing(height, width, name="resize")(x)


def affine(normalise: str, mean: Sequence[float], std: Sequence[float], pixel_mean: np.ndarray) -> tuple:
    """Return (scale, offset) of a normalisation of pixels 0..255.

    Args:
        normalise: `standardise` (per channel, mean 0 and std 1), `unit` (0..1) or `pixel_mean` (0..1, less the mean).
        mean, std: per channel (channels,), of training images, 0..255.
        pixel_mean: the mean training image (height, width, channels), 0..255.
    """
    if normalise == "standardise":
        spread = np.maximum(np.asarray(std), 1e-3)  # constant channels stay finite
        return 1 / spread, -np.asarray(mean) / spread
    if normalise == "unit":
        return np.float64(1 / 255), np.float64(0)
    return np.float64(1 / 255), -np.asarray(pixel_mean, np.float64) / 255
