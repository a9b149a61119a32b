"""The baseline ConvNet of report E: stacks of two convolutions, batch normalisation, pooling and dropout.

The report has two stacks and a dense layer of 512 units. It does not give the widths, the kernels, nor the rate of
dropout; those here are ours. By default the layers have our order, in which dropout follows pooling.
"""

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
    published_order: bool = False,
) -> keras.Model:
    """Return the network. Each entry of `filters` is one stack, which halves the image.

    With `published_order`, a stack ends with dropout, batch normalisation and pooling, as in report E. There is then no
    dropout after the dense layer.
    """
    require_size(image_shape, 2 ** len(filters))
    images = x = keras.Input(image_shape)
    for width in filters:
        for _ in range(2):
            x = layers.Conv2D(width, 3, padding="same", activation=activation)(x)
        if published_order:
            x = halve(layers.BatchNormalization()(layers.Dropout(dropout)(x)))
        else:
            x = layers.Dropout(dropout)(halve(layers.BatchNormalization()(x)))
    x = layers.Dense(units, activation=activation)(layers.Flatten()(x))
    if not published_order:
        x = layers.Dropout(dropout)(x)
    return keras.Model(images, logits(x, outputs), name="convnet")
