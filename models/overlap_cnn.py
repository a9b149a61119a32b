"""The CNN of report A: two 2x2 convolutions whose pooling overlaps (stride 1) and keeps the image's size.

The report also tries other sizes of filters and average pooling, without figures. It gives no rates of dropout; 0.3 is
ours.
"""

import keras
from keras import layers

from models.parts.layers import logits
from models.registry.options import Activation, Count, Counts, Dropout, Pooling

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
    kernel_pixels: Count = 2,
    pooling: Pooling = "max",
    activation: Activation = "relu",
    dropout: Dropout = 0.3,
) -> keras.Model:
    """Return the network. `dropout` follows every pooling and the dense layer."""
    pool = layers.MaxPooling2D if pooling == "max" else layers.AveragePooling2D
    images = x = keras.Input(image_shape)
    for width in filters:
        x = layers.Conv2D(width, kernel_pixels, padding="same", activation=activation)(x)
        x = pool(2, strides=1, padding="same")(x)
        x = layers.Dropout(dropout)(x)
    x = layers.Dense(units, activation=activation)(layers.Flatten()(x))
    return keras.Model(images, logits(layers.Dropout(dropout)(x), outputs), name="overlap_cnn")
