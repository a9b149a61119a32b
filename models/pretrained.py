"""The networks of `keras.applications`, pretrained on ImageNet, with fresh last layers, and two of PyTorch.

Each comes with the preprocessing of its own training. Report E uses VGG-16, ResNet-50 and MobileNet, with one fresh
layer; `units` adds hidden ones before it. `training.frozen_epochs` of a member is the number of epochs in which only
the fresh layers train.
"""

import keras
from keras import layers

from models.backbones.families import family
from models.backbones.weights import load
from models.parts.layers import logits
from models.registry.options import Backbone, Dropout, File, SomeCounts, Width

SPACE = {
    "options": {"backbone": ["mobilenet", "resnet50", "vgg16"], "dropout": {"low": 0.0, "high": 0.5}},
    "training": {"tuned_layers": {"low": 1, "high": 12}},
}


def build(
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    backbone: Backbone = "mobilenet",
    weights: File | None = "imagenet",
    width: Width = 1.0,
    dropout: Dropout = 0.0,
    units: SomeCounts = (),
) -> keras.Model:
    """Return the network for images of 0..1. Sides that are too small are enlarged, and grey images get three channels.

    Args:
        backbone: a network of `keras.applications` in lower case, such as resnet50, or a name in
            `models/registry/backbones.py`.
        weights: `imagenet` (which Keras downloads to ~/.keras, or a package has), a weights file of the backbone
            without its top, a folder with the files that Keras downloads, or None for random weights.
        width: a multiple of the filters, for mobilenet, mobilenetv2 and mobilenetv3.
        dropout: before the hidden layers.
        units: of hidden dense layers with ReLU, between the backbone and the last layer.

    Raises:
        ValueError: the weights cannot be loaded, or do not fit the backbone.
    """
    network = family(backbone)
    images = x = keras.Input(image_shape)
    if image_shape[2] == 1:
        x = layers.Concatenate(name="grey_to_rgb")([x, x, x])
    scale = max(1, network.least_pixels / min(image_shape[:2]))
    size = tuple(round(scale * side) for side in image_shape[:2])
    if scale > 1:
        x = layers.Resizing(*size)(x)
    body = load(network, weights, (*size, 3), width)
    x = layers.Dropout(dropout)(body(network.preprocess(255 * x)))
    for count in units:
        x = layers.Dense(count, activation="relu")(x)
    return keras.Model(images, logits(x, outputs), name="pretrained")
