"""The Inception-like network of report D: nine layers with weights, six of them in one inception block.

The block is that of Szegedy et al., "Going Deeper with Convolutions" (2014). The report gives nine layers and 325 426
parameters, but no widths. With ten outputs at 28x28, `stem_filters: [128, 128]`, `filters: [48, 128, 40, 32]` and
`reduced_filters: [112, 16]` have them, and are the nearest to the paper's first block. Other widths do, too.
"""

from collections.abc import Sequence

import keras
from keras import layers

from models.parts.layers import logits, require_size
from models.registry.options import Activation, Dropout, FourCounts, TwoCounts

SPACE = {  # that tuning searches
    "options": {
        "stem_filters": [[32, 96], [64, 192]],
        "activation": ["relu", "gelu"],
        "dropout": {"low": 0.1, "high": 0.5},
    },
    "training": {"learning_rate": {"low": 1e-4, "high": 5e-3, "log": True}},
}


def build(
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    stem_filters: TwoCounts = (64, 192),
    filters: FourCounts = (64, 160, 48, 48),
    reduced_filters: TwoCounts = (96, 16),
    activation: Activation = "relu",
    dropout: Dropout = 0.4,
) -> keras.Model:
    """Return the network.

    Args:
        image_shape: (height, width, channels).
        outputs: number of logits.
        stem_filters: of the 5x5 and the 3x3 convolution before the block, each pooled.
        filters: of the block's branches: 1x1, 3x3, 5x5, pooling.
        reduced_filters: of the 1x1 convolutions before 3x3 and 5x5.
        activation: of every convolution.
        dropout: before the logits.
    """
    require_size(image_shape, 4)
    images = x = keras.Input(image_shape)
    for width, size in zip(stem_filters, (5, 3), strict=True):
        x = layers.MaxPooling2D(2)(layers.Conv2D(width, size, padding="same", activation=activation)(x))
    x = _block(x, filters, reduced_filters, activation)
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(images, logits(x, outputs), name="inception")


def _block(x: keras.KerasTensor, filters: Sequence[int], reduced: Sequence[int], activation: str) -> keras.KerasTensor:
    def convolution(inputs: keras.KerasTensor, width: int, size: int) -> keras.KerasTensor:
        return layers.Conv2D(width, size, padding="same", activation=activation)(inputs)

    one, three, five, pooled = filters
    branches = [
        convolution(x, one, 1),
        convolution(convolution(x, reduced[0], 1), three, 3),
        convolution(convolution(x, reduced[1], 1), five, 5),
        convolution(layers.MaxPooling2D(3, strides=1, padding="same")(x), pooled, 1),
    ]
    return layers.Concatenate()(branches)
