"""The CNN of report A: two 2x2 convolutions whose pooling overlaps (stride 1) and keeps the image's size."""

import keras
from keras import layers

from models.parts.layers import logits
from models.registry.options import Activation, Count, Counts, Dropout

SPACE = {  # that tuning searches
    "options": {
        "filters": [[32, 16], [64, 32], [96, 48]],
        "units": [128, 256, 512],
        "dropout": {"low": 0.1, "high": 0.5},
    },
    "training": {"learning_rate": {"low": 1e-4, "high": 3e-3, "log": True}},
}


def build(
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    filters: Counts = (64, 32),
    units: Count = 256,
    activation: Activation = "relu",
    dropout: Dropout = 0.3,
) -> keras.Model:
    """Return the network. `dropout` follows every pooling and the dense layer."""
    images = x = keras.Input(image_shape)
    for width in filters:
        x = layers.Conv2D(width, 2, padding="same", activation=activation)(x)
        x = layers.MaxPooling2D(2, strides=1, padding="same")(x)
        x = layers.Dropout(dropout)(x)
    x = layers.Dense(units, activation=activation)(layers.Flatten()(x))
    return keras.Model(images, logits(layers.Dropout(dropout)(x), outputs), name="overlap_cnn")
