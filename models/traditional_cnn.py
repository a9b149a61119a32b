"""The traditional CNN of report D: convolutions of 5x5, 3x3 and 1x1 pixels, then dense layers."""

import keras
from keras import layers

from models.parts.layers import logits, require_size
from models.registry.options import Activation, ThreeCounts, TwoCounts, TwoDropouts

SPACE = {  # that tuning searches
    "options": {
        "filters": [[16, 32, 64], [32, 64, 128], [64, 128, 256]],
        "units": [[256, 32], [1024, 32]],
        "dropouts": [[0.2, 0.25], [0.3, 0.4], [0.4, 0.5]],
    },
    "training": {"learning_rate": {"low": 1e-4, "high": 3e-3, "log": True}},
}


def build(
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    filters: ThreeCounts = (32, 64, 128),
    units: TwoCounts = (1024, 32),
    activation: Activation = "relu",
    dropouts: TwoDropouts = (0.2, 0.25),
) -> keras.Model:
    """Return the network. `dropouts` follow the last convolution and the first dense layer."""
    require_size(image_shape, 4)
    first, second, third = filters
    wide, narrow = units
    images = keras.Input(image_shape)
    x = layers.Conv2D(first, 5, padding="same", activation=activation)(images)
    x = layers.Conv2D(second, 3, padding="same", activation=activation)(layers.MaxPooling2D(2)(x))
    x = layers.Conv2D(third, 1, activation=activation)(layers.MaxPooling2D(2)(x))
    x = layers.Flatten()(layers.Dropout(dropouts[0])(x))
    x = layers.Dropout(dropouts[1])(layers.Dense(wide, activation=activation)(x))
    x = layers.Dense(narrow, activation=activation)(x)
    return keras.Model(images, logits(x, outputs), name="traditional_cnn")
