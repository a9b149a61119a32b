"""The default: a plain network for small images, with the highest accuracy per FLOP of all members.

The layout is that of airbench94 (Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024): a small 2x2
convolution, then groups of convolution, pooling, convolution, each normalised. Pooling right after a group's first
convolution saves arithmetic. Kernels that start as copies of their input channels save epochs. `python -m
benchmarks.ingredients` varies one part of the network, or of its recipe, at a time.
"""

import math

import keras
from keras import layers

from models.parts.layers import convolution, dirac, halve, logits, normalise, require_size
from models.registry.options import Activation, Dropout, Width

STEM, GROUPS = 32, (32, 64, 128)  # filters at width 1; each group halves the image, while its side is above 1

SPACE = {  # that tuning searches
    "options": {
        "width": {"low": 0.5, "high": 2.0, "step": 0.25},
        "activation": ["relu", "gelu"],
        "dropout": {"low": 0.0, "high": 0.4},
    },
}


def build(
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    width: Width = 1.0,
    activation: Activation = "relu",
    dropout: Dropout = 0.0,
    residual: bool = False,
) -> keras.Model:
    """Return the network. `width` scales all filters; arithmetic and parameters grow with its square.

    With `residual`, a group has a third convolution and a shortcut past its last two, like airbench96 of the same
    source. It needs a quarter more arithmetic and is not more accurate on Fashion-MNIST, but it is a different member
    for an ensemble.
    """
    require_size(image_shape, 3)
    images = keras.Input(image_shape)
    x = layers.Conv2D(_filters(STEM, width), 2, activation=activation)(images)
    for group in GROUPS[: int(math.log2(min(x.shape[1:3])))]:
        filters = _filters(group, width)
        x = normalise(halve(convolution(x, filters, initializer=dirac)), activation)
        y = normalise(convolution(x, filters, initializer=dirac), activation)
        if residual:
            y = layers.Add()([x, normalise(convolution(y, filters, initializer=dirac), activation)])
        x = y
    x = layers.GlobalMaxPooling2D()(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(images, logits(x, outputs), name="fast")


def _filters(count: int, width: float) -> int:
    if width <= 0:
        raise ValueError(f"width: {width:g}, expected more than 0")
    return max(1, round(count * width))
