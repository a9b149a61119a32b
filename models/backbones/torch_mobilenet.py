"""MobileNetV2 as PyTorch trains it: Keras's network with PyTorch's padding and preprocessing.

A convolution with stride 2 pads even sizes on one side in Keras and on both sides in PyTorch. So the network would see
its feature maps shifted by a pixel. For odd sizes, as images of 225x225 pixels have them, the paddings are equal.
"""

import keras
from keras import applications, layers

EPSILON = 1e-5  # of the batch normalisations in PyTorch


def torch_mobilenetv2(input_shape: tuple[int, int, int], name: str) -> keras.Model:
    """Return the network without its top, from preprocessed images to mean features (batch, 1280)."""
    network = applications.MobileNetV2(
        include_top=False, weights=None, input_shape=input_shape, pooling="avg", name=name
    )
    return keras.models.clone_model(network, clone_function=_with_own_padding, call_function=_call)


def preprocess_input(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Return pixels 0..255 as the network was trained on them."""
    return applications.imagenet_utils.preprocess_input(pixels, mode="torch", data_format="channels_last")


def _with_own_padding(layer: layers.Layer) -> layers.Layer:
    config = layer.get_config()
    if isinstance(layer, layers.ZeroPadding2D):
        config["padding"] = 1
    if _is_stem(layer):
        config["padding"] = "valid"
    return layer.__class__.from_config(config)


def _call(layer: layers.Layer, x: keras.KerasTensor, **options: object) -> keras.KerasTensor:
    return layer(layers.ZeroPadding2D(1)(x) if _is_stem(layer) else x, **options)


def _is_stem(layer: layers.Layer) -> bool:
    return type(layer) is layers.Conv2D and layer.strides == (2, 2)
