"""The modified ResNet of report C: no batch normalisation, and no activation after a block's addition.

The report counts 15 layers: eleven convolutions, two poolings and two dense layers. `blocks: 10` gives its variant with
27 layers.
"""

import keras
from keras import layers

from models.parts.layers import logits, require_size
from models.registry.options import Activation, Count, Dropout

SPACE = {  # that tuning searches
    "options": {
        "filters": [32, 64, 96],
        "blocks": {"low": 2, "high": 6},
        "units": [128, 256, 512],
        "dropout": {"low": 0.2, "high": 0.6},
    },
    "training": {"learning_rate": {"low": 1e-4, "high": 3e-3, "log": True}},
}


def build(
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    filters: Count = 64,
    blocks: Count = 4,
    units: Count = 256,
    activation: Activation = "relu",
    dropout: Dropout = 0.5,
) -> keras.Model:
    """Return the network: two convolutions, 3x3 pooling, the residual blocks, a convolution, two dense layers."""
    require_size(image_shape, 13)  # (13 - 4) / 3 - 2 = 1
    images = keras.Input(image_shape)
    x = layers.Conv2D(filters // 2, 3, activation=activation)(images)
    x = layers.MaxPooling2D(3)(layers.Conv2D(filters, 3, activation=activation)(x))
    for _ in range(blocks):
        y = layers.Conv2D(filters, 3, padding="same", activation=activation)(x)
        x = layers.Add()([x, layers.Conv2D(filters, 3, padding="same", activation=activation)(y)])
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(filters, 3, activation=activation)(x))
    x = layers.Dropout(dropout)(layers.Dense(units, activation=activation)(x))
    return keras.Model(images, logits(x, outputs), name="modified_resnet")
