"""VGG-11, 13, 16 and 19 (Simonyan and Zisserman, 2014; configurations A, B, D and E), of reports B and C.

The dropouts after the dense layers are those of the paper. Reports B and C do not mention them. Batch normalisation and
He's initial kernels are ours: the paper starts from a trained, shallower network.
"""

from typing import Literal

import keras
from keras import layers

from models.parts.layers import logits
from models.registry.options import Activation, Counts, Dropout, FiveCounts

CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}

SPACE = {  # that tuning searches
    "options": {
        "depth": [11, 13, 16],
        "units": [[512, 512], [1024, 1024], [4096, 4096]],
        "batch_norm": [False, True],
        "dropout": {"low": 0.2, "high": 0.6},
    },
    "training": {"learning_rate": {"low": 3e-5, "high": 3e-3, "log": True}},
}


def build(
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    depth: Literal[11, 13, 16, 19] = 16,
    filters: FiveCounts = (64, 128, 256, 512, 512),
    units: Counts = (4096, 4096),
    batch_norm: bool = False,
    activation: Activation = "relu",
    dropout: Dropout = 0.5,
) -> keras.Model:
    """Return the network. Pooling rounds odd sides up, so images of any size are supported."""
    if depth not in CONVOLUTIONS:
        raise ValueError(f"depth {depth} is not one of {', '.join(map(str, CONVOLUTIONS))}")
    images = x = keras.Input(image_shape)
    for width, convolutions in zip(filters, CONVOLUTIONS[depth], strict=True):
        for _ in range(convolutions):
            x = layers.Conv2D(width, 3, padding="same", kernel_initializer="he_normal")(x)
            x = layers.Activation(activation)(layers.BatchNormalization()(x) if batch_norm else x)
        x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.Flatten()(x)
    for width in units:
        x = layers.Dense(width, activation=activation, kernel_initializer="he_normal")(x)
        x = layers.Dropout(dropout)(x)
    return keras.Model(images, logits(x, outputs), name="vgg")
