"""The baseline ConvNet of report E: stacks of two convolutions, batch normalisation, pooling and dropout."""

import keras
from keras import layers

from models.parts.layers import halve, logits, require_size
from models.registry.options import Activation, Count, Counts, Dropout

SPACE = {  # that tuning searches
    "options": {
        "filters": [[32, 64], [64, 128], [32, 64, 128]],
        "units": [128, 256, 512],
        "dropout": {"low": 0.1, "high": 0.5},
    },
}


def build(
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    filters: Counts = (32, 64),
    units: Count = 512,
    activation: Activation = "relu",
    dropout: Dropout = 0.25,
) -> keras.Model:
    """Return the network. Each entry of `filters` is one stack, which halves the image."""
    require_size(image_shape, 2 ** len(filters))
    images = x = keras.Input(image_shape)
    for width in filters:
        for _ in range(2):
            x = layers.Conv2D(width, 3, padding="same", activation=activation)(x)
        x = halve(layers.BatchNormalization()(x))
        x = layers.Dropout(dropout)(x)
    x = layers.Dense(units, activation=activation)(layers.Flatten()(x))
    return keras.Model(images, logits(layers.Dropout(dropout)(x), outputs), name="convnet")
