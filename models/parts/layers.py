"""The parts that every family shares: the ends of a network and its usual unit."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import layers, ops


def logits(features: keras.KerasTensor, outputs: int) -> keras.KerasTensor:
    """Return float32 logits (batch, outputs) of features (batch, units), whatever the precision before them."""
    return layers.Dense(outputs, dtype="float32", name="logits")(features)


def convolution(
    inputs: keras.KerasTensor,
    filters: int,
    size_pixels: int = 3,
    stride_pixels: int = 1,
    initializer: str | Callable = "he_normal",
) -> keras.KerasTensor:
    """Return a convolution without bias, for a batch normalisation behind it, zero-padded to the size of its input."""
    layer = layers.Conv2D(
        filters,
        size_pixels,
        strides=stride_pixels,
        padding="same",
        use_bias=False,
        kernel_initializer=initializer,
    )
    outputs = layer(inputs)
    if callable(initializer):  # a function of ours, without which Keras could not load what is saved
        layer.kernel_initializer = keras.initializers.HeNormal()
    return outputs


def dirac(shape: Sequence[int], dtype: str | None = None) -> keras.KerasTensor:
    """Return a kernel (height, width, channels, filters) whose first filters pass the channels on; the others are He's.

    Source: airbench94 (Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024).
    """
    height, width, channels, filters = shape
    drawn, passed = keras.initializers.HeNormal()(shape, dtype), np.arange(min(channels, filters))
    identity = np.zeros(shape, np.float32)
    identity[height // 2, width // 2, passed, passed] = 1
    return ops.where(np.arange(filters) < len(passed), ops.cast(identity, drawn.dtype), drawn)


def normalised(inputs: keras.KerasTensor, activation: str) -> keras.KerasTensor:
    """Return batch normalisation and activation; the momentum suits runs of a few epochs."""
    return layers.Activation(activation)(layers.BatchNormalization(momentum=0.9)(inputs))


def halved(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """Return the greatest of every two by two pixels; a last odd row or column falls away.

    With JAX as maxima of slices, whose gradient is a choice. That of XLA's windows scatters, and took a GPU a tenth of
    a training step of `fast`.
    """
    if keras.backend.backend() != "jax":
        return layers.MaxPooling2D(2)(inputs)
    height, width = (side // 2 * 2 for side in inputs.shape[1:3])
    left, right = (
        ops.maximum(inputs[:, 0:height:2, first:width:2], inputs[:, 1:height:2, first:width:2]) for first in (0, 1)
    )
    return ops.maximum(left, right)


def require_size(image_shape: Sequence[int], least_pixels: int) -> None:
    """Refuse images that the halvings of a network would shrink to nothing.

    Raises:
        ValueError: a side is shorter than `least_pixels`.
    """
    if min(image_shape[:2]) < least_pixels:
        raise ValueError(f"each side needs at least {least_pixels} pixels")
