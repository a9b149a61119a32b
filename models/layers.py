"""The parts that every family shares: the ends of a network and its usual unit."""

from collections.abc import Sequence

import keras
from keras import layers


def logits(features: keras.KerasTensor, outputs: int) -> keras.KerasTensor:
    """Return float32 logits (batch, outputs) of features (batch, units), whatever the precision before them."""
    return layers.Dense(outputs, dtype="float32", name="logits")(features)


def convolution(
    inputs: keras.KerasTensor, filters: int, size_pixels: int = 3, stride_pixels: int = 1
) -> keras.KerasTensor:
    """Return a convolution without bias, for a batch normalisation behind it, zero-padded to the size of its input."""
    return layers.Conv2D(
        filters,
        size_pixels,
        strides=stride_pixels,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )(inputs)


def normalised(inputs: keras.KerasTensor, activation: str) -> keras.KerasTensor:
    """Return batch normalisation and activation; the momentum suits runs of a few epochs."""
    return layers.Activation(activation)(layers.BatchNormalization(momentum=0.9)(inputs))


def require_size(image_shape: Sequence[int], least_pixels: int) -> None:
    """Refuse images that the halvings of a network would shrink to nothing.

    Raises:
        ValueError: a side is shorter than `least_pixels`.
    """
    if min(image_shape[:2]) < least_pixels:
        raise ValueError(f"each side needs at least {least_pixels} pixels")
