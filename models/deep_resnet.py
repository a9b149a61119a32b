"""Residual networks of 18 to 152 layers (He et al., "Deep Residual Learning for Image Recognition", 2015).

Reports B and C use 34, 50 and 152 layers as published. Report A adapts 18 layers to small images: no first pooling,
convolutions with biases, shortcuts projected without normalisation, and flattening after the last pooling.
"""

from typing import Literal

import keras
from keras import layers

from models.parts.layers import logits, require_size
from models.registry.options import Activation, FourCounts

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
LEAST_BOTTLENECK_DEPTH = 50
EXPANSION = 4  # of a bottleneck's last convolution

SPACE = {  # that tuning searches
    "options": {"depth": [18, 34], "filters": [[32, 64, 128, 256], [64, 128, 256, 512]]},
}


def build(
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    depth: Literal[18, 34, 50, 101, 152] = 18,
    filters: FourCounts = (64, 128, 256, 512),
    small_images: bool = False,
    activation: Activation = "relu",
) -> keras.Model:
    """Return the network. `small_images` selects report A's variant."""
    if depth not in BLOCKS:
        raise ValueError(f"depth {depth} is not one of {', '.join(map(str, BLOCKS))}")
    require_size(image_shape, 17 if small_images else 2)  # four halvings, rounded up, leave two
    images = keras.Input(image_shape)
    x = _normalise(_convolution(images, filters[0], 7, 2, small_images), activation)
    if not small_images:
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    block = _bottleneck if depth >= LEAST_BOTTLENECK_DEPTH else _basic
    for stage, (width, blocks) in enumerate(zip(filters, BLOCKS[depth], strict=True)):
        for index in range(blocks):
            x = block(x, width, 2 if stage and not index else 1, small_images, activation)
    x = layers.Flatten()(layers.MaxPooling2D(2)(x)) if small_images else layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, logits(x, outputs), name="deep_resnet")


def _basic(x: keras.KerasTensor, width: int, stride: int, biased: bool, activation: str) -> keras.KerasTensor:
    y = _normalise(_convolution(x, width, 3, stride, biased), activation)
    y = layers.BatchNormalization()(_convolution(y, width, 3, 1, biased))
    return _add_shortcut(x, y, stride, biased, activation)


def _bottleneck(x: keras.KerasTensor, width: int, stride: int, biased: bool, activation: str) -> keras.KerasTensor:
    y = _normalise(_convolution(x, width, 1, 1, biased), activation)
    y = _normalise(_convolution(y, width, 3, stride, biased), activation)
    y = layers.BatchNormalization()(_convolution(y, EXPANSION * width, 1, 1, biased))
    return _add_shortcut(x, y, stride, biased, activation)


def _add_shortcut(
    x: keras.KerasTensor, y: keras.KerasTensor, stride: int, biased: bool, activation: str
) -> keras.KerasTensor:
    """Return the block's output: the activated sum with its shortcut, which is projected if the shapes differ."""
    if stride != 1 or x.shape[-1] != y.shape[-1]:
        x = _convolution(x, y.shape[-1], 1, stride, biased)
        x = x if biased else layers.BatchNormalization()(x)
    return layers.Activation(activation)(layers.Add()([x, y]))


def _convolution(x: keras.KerasTensor, width: int, size: int, stride: int, biased: bool) -> keras.KerasTensor:
    return layers.Conv2D(width, size, strides=stride, padding="same", use_bias=biased, kernel_initializer="he_normal")(
        x
    )


def _normalise(x: keras.KerasTensor, activation: str) -> keras.KerasTensor:
    return layers.Activation(activation)(layers.BatchNormalization()(x))
