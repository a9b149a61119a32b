"""Dense layers on flat pixels: report A's deep feed-forward network (128, 64, 32) and report D's dense ANN."""

import keras
from keras import layers

from models.parts.layers import logits
from models.registry.options import Activation, Counts, Dropout

SPACE = {  # that tuning searches
    "options": {
        "units": [[128, 64, 32], [256, 128], [512, 256], [1024, 512]],
        "activation": ["relu", "gelu"],
        "dropout": {"low": 0.0, "high": 0.5},
    },
    "training": {"learning_rate": {"low": 1e-4, "high": 5e-3, "log": True}},
}


def build(
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    units: Counts = (128, 64, 32),
    activation: Activation = "relu",
    dropout: Dropout = 0.0,
) -> keras.Model:
    """Return the network. Each entry of `units` is one hidden layer, followed by dropout."""
    images = keras.Input(image_shape)
    x = layers.Flatten()(images)
    for width in units:
        x = layers.Dense(width, activation=activation)(x)
        if dropout:
            x = layers.Dropout(dropout)(x)
    return keras.Model(images, logits(x, outputs), name="feedforward")
