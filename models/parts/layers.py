"""Layers that all families share."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import layers, ops


def logits(features: keras.KerasTensor, outputs: int) -> keras.KerasTensor:
    """Return logits (batch, outputs) of features (batch, units). They are float32 in every precision policy."""
    return layers.Dense(outputs, dtype="float32", name="logits")(features)


def convolution(
    inputs: keras.KerasTensor,
    filters: int,
    size_pixels: int = 3,
    stride_pixels: int = 1,
    initializer: str | Callable = "he_normal",
) -> keras.KerasTensor:
    """Return a zero-padded convolution without bias, to be followed by a batch normalisation."""
    layer = layers.Conv2D(
        filters,
        size_pixels,
        strides=stride_pixels,
        padding="same",
        use_bias=False,
        kernel_initializer=initializer,
    )
    outputs = layer(inputs)
    if callable(initializer):  # replace our own function, because Keras could not load a saved model that names it
        layer.kernel_initializer = keras.initializers.HeNormal()
    return outputs


def dirac(shape: Sequence[int], dtype: str | None = None) -> keras.KerasTensor:
    """Return a kernel (height, width, channels, filters) whose first filters copy the channels. The others are He's.

    Source: airbench94 (Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024).
    """
    height, width, channels, filters = shape
    kernel, channel_indices = keras.initializers.HeNormal()(shape, dtype), np.arange(min(channels, filters))
    identity = np.zeros(shape, np.float32)
    identity[height // 2, width // 2, channel_indices, channel_indices] = 1
    return ops.where(np.arange(filters) < len(channel_indices), ops.cast(identity, kernel.dtype), kernel)


def normalise(inputs: keras.KerasTensor, activation: str) -> keras.KerasTensor:
    """Return the activation of batch-normalised inputs. The momentum of 0.9 suits runs of a few epochs."""
    return layers.Activation(activation)(layers.BatchNormalization(momentum=0.9)(inputs))


def halve(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """Return the maximum of every 2x2 pixels. An odd last row or column is dropped.

    With JAX it is computed as maxima of slices. The gradient of XLA's pooling is a scatter, which took a tenth of a
    training step of `fast` on a GPU.
    """
    if keras.backend.backend() != "jax":
        return layers.MaxPooling2D(2)(inputs)
    height, width = (side // 2 * 2 for side in inputs.shape[1:3])
    left, right = (
        ops.maximum(inputs[:, 0:height:2, first:width:2], inputs[:, 1:height:2, first:width:2]) for first in (0, 1)
    )
    return ops.maximum(left, right)


def require_size(image_shape: Sequence[int], least_pixels: int) -> None:
    """Refuse images that are too small for a network's poolings.

    Raises:
        ValueError: a side is shorter than `least_pixels`.
    """
    if min(image_shape[:2]) < least_pixels:
        raise ValueError(f"each side needs at least {least_pixels} pixels")
