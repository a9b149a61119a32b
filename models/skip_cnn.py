"""The ResNet-like network of report D: its traditional CNN with two skip connections.

The report gives eleven layers and 6 753 669 parameters, but no widths. These widths give 6.85 M at 28x28 with ten
outputs.
"""

import keras
from keras import layers

from models.parts.layers import logits, require_size
from models.registry.options import Activation, Dropout, ThreeCounts, TwoCounts

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
    units: TwoCounts = (1024, 32),
    activation: Activation = "relu",
    dropout: Dropout = 0.25,
) -> keras.Model:
    """Return the network: seven convolutions, with a shortcut past two pairs of them, pooling, three dense layers."""
    require_size(image_shape, 4)
    first, second, third = filters
    images = keras.Input(image_shape)
    x = layers.MaxPooling2D(2)(layers.Conv2D(first, 5, padding="same", activation=activation)(images))
    x = _skip_block(layers.Conv2D(second, 3, padding="same", activation=activation)(x), activation)
    x = layers.Conv2D(third, 1, activation=activation)(layers.MaxPooling2D(2)(x))
    x = layers.Flatten()(_skip_block(x, activation))
    for width in units:
        x = layers.Dropout(dropout)(layers.Dense(width, activation=activation)(x))
    return keras.Model(images, logits(x, outputs), name="skip_cnn")


def _skip_block(x: keras.KerasTensor, activation: str) -> keras.KerasTensor:
    y = layers.Conv2D(x.shape[-1], 3, padding="same", activation=activation)(x)
    y = layers.Conv2D(x.shape[-1], 3, padding="same")(y)
    return layers.Activation(activation)(layers.Add()([x, y]))
