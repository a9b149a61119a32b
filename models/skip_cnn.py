"""The ResNet-like network of report D: its traditional CNN with two skip connections.

The report gives eleven layers and 6 753 669 parameters, but no widths. `filters: [64, 64, 128]`, `skips_after: [1, 2]`
and `units: [1024, 128, 32]` have exactly these layers and parameters, with five outputs at 28x28. Other widths do, too.
"""

import keras
from keras import layers

from models.parts.layers import logits, require_size
from models.registry.options import Activation, Counts, Dropout, ThreeCounts, TwoCounts

SPACE = {  # that tuning searches
    "options": {
        "filters": [[16, 32, 64], [32, 64, 128], [64, 128, 256]],
        "units": [[256, 32], [1024, 32]],
        "dropout": {"low": 0.1, "high": 0.5},
    },
    "training": {"learning_rate": {"low": 1e-4, "high": 3e-3, "log": True}},
}


def build(
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    filters: ThreeCounts = (32, 64, 128),
    skips_after: TwoCounts = (2, 3),
    units: Counts = (1024, 32),
    activation: Activation = "relu",
    dropout: Dropout = 0.25,
) -> keras.Model:
    """Return the network: three convolutions, two of which a pair with a shortcut follows, and dense layers.

    `skips_after` are these two, counted from 1. The first and the second convolution are pooled. Dropout, which the
    report does not mention, follows every hidden dense layer.
    """
    require_size(image_shape, 4)
    images = x = keras.Input(image_shape)
    for number, (width, size) in enumerate(zip(filters, (5, 3, 1), strict=True), start=1):
        x = layers.Conv2D(width, size, padding="same", activation=activation)(x)
        if number in skips_after:
            x = _skip_block(x, activation)
        if number < len(filters):
            x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    for width in units:
        x = layers.Dropout(dropout)(layers.Dense(width, activation=activation)(x))
    return keras.Model(images, logits(x, outputs), name="skip_cnn")


def _skip_block(x: keras.KerasTensor, activation: str) -> keras.KerasTensor:
    y = layers.Conv2D(x.shape[-1], 3, padding="same", activation=activation)(x)
    y = layers.Conv2D(x.shape[-1], 3, padding="same")(y)
    return layers.Activation(activation)(layers.Add()([x, y]))
