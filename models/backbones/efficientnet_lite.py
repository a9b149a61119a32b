"""EfficientNet-Lite0 (Liu, "Higher accuracy on vision models with EfficientNet-Lite", 2020): 75.1 % on ImageNet.

It is EfficientNet-B0 without squeeze-and-excitation and with ReLU6, so that small devices run it fast: 4.7 million
parameters and 0.8 GFLOPs for an image of 224x224.
"""

import keras
from keras import layers

EPSILON = 1e-3
STEM_FILTERS, HEAD_FILTERS = 32, 1280
STAGES = (  # blocks, kernel, stride, expansion, filters
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def efficientnet_lite0(input_shape: tuple[int, int, int], name: str) -> keras.Model:
    """Return the network without its top, from preprocessed images to mean features (batch, 1280)."""
    images = keras.Input(input_shape)
    x = _activate(layers.Conv2D(STEM_FILTERS, 3, strides=2, padding="same", use_bias=False)(images))
    for blocks, kernel, stride, expansion, filters in STAGES:
        x = _block(x, kernel, stride, expansion, filters)
        for _ in range(blocks - 1):
            x = layers.Add()([x, _block(x, kernel, 1, expansion, filters)])
    x = _activate(layers.Conv2D(HEAD_FILTERS, 1, use_bias=False)(x))
    return keras.Model(images, layers.GlobalAveragePooling2D()(x), name=name)


def preprocess_input(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Return pixels 0..255 as the network was trained on them."""
    return (pixels - 127) / 128


def _block(x: keras.KerasTensor, kernel: int, stride: int, expansion: int, filters: int) -> keras.KerasTensor:
    if expansion > 1:
        x = _activate(layers.Conv2D(expansion * x.shape[-1], 1, use_bias=False)(x))
    x = _activate(layers.DepthwiseConv2D(kernel, strides=stride, padding="same", use_bias=False)(x))
    return layers.BatchNormalization(epsilon=EPSILON)(layers.Conv2D(filters, 1, use_bias=False)(x))


def _activate(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU(6)(layers.BatchNormalization(epsilon=EPSILON)(x))
