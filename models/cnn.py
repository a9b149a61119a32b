"""A plain convolutional network for small images: most accuracy per FLOP of the members without shortcuts.

The layout is that of airbench94 (github.com/KellerJordan/cifar10-airbench): a small 2x2 convolution, then groups of
convolution, pooling, convolution, each normalised; pooling right after a group's first convolution saves arithmetic.
"""

from collections.abc import Sequence

import keras
from keras import layers

from models.layers import convolution, logits, normalised, require_size

SPACE = {  # of tuning
    "options": {
        "stem_filters": [16, 24, 32],
        "filters": [[32, 64, 128], [48, 96, 192], [64, 128, 256]],
        "activation": ["gelu", "relu"],
        "dropout": {"low": 0.0, "high": 0.4},
    },
}


def build(
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    stem_filters: int = 24,
    filters: Sequence[int] = (32, 64, 128),
    activation: str = "gelu",
    dropout: float = 0.0,
) -> keras.Model:
    """Return the network; each entry of `filters` is one group, which halves the image."""
    require_size(image_shape, 1 + 2 ** len(filters))
    images = keras.Input(image_shape)
    x = layers.Conv2D(stem_filters, 2, activation=activation)(images)
    for width in filters:
        x = normalised(layers.MaxPooling2D(2)(convolution(x, width)), activation)
        x = normalised(convolution(x, width), activation)
    x = layers.GlobalMaxPooling2D()(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(images, logits(x, outputs), name="cnn")
