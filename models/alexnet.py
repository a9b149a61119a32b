"""AlexNet (Krizhevsky et al., 2012) as reports A and B build it.

Report A: 28x28 images, poolings that keep 5x5 pixels, dense layers of 9 216, 4 096 and 4 096. Its deep AlexNet repeats
the last 256 filters three times more, and has other dropouts: `filters: [96, 256, 384, 384, 256, 256, 256, 256]`,
`dropout_convolutions: [4, 7]`, `dropout_before_logits: false`. The report gives no rates of dropout; 0.5 is ours.

Report B: 64x64 images, dense layers of 4 096 and 4 096, poolings of stride 2. It mentions no dropout; here it is as in
report A.
"""

import keras
from keras import layers

from models.parts.layers import logits, require_size
from models.registry.options import Activation, Count, Counts, Dropout

SPACE = {  # that tuning searches
    "options": {"units": [[1024, 1024], [4096, 4096], [9216, 4096, 4096]], "dropout": {"low": 0.2, "high": 0.6}},
    "training": {"learning_rate": {"low": 3e-5, "high": 1e-3, "log": True}},
}


def build(
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    filters: Counts = (96, 256, 384, 384, 256),
    units: Counts = (9216, 4096, 4096),
    pool_stride_pixels: Count = 1,
    activation: Activation = "relu",
    dropout: Dropout = 0.5,
    dropout_convolutions: Counts = (3,),
    dropout_before_logits: bool = True,
) -> keras.Model:
    """Return the network.

    Dropout follows the `dropout_convolutions`, counted from 1, then the last pooling (where flattening changes nothing)
    and, with `dropout_before_logits`, the last hidden layer.
    """
    require_size(image_shape, 11)
    images = keras.Input(image_shape)
    x = layers.Conv2D(filters[0], 11, strides=4, activation=activation)(images)
    x = _pool(x, pool_stride_pixels)
    x = layers.Conv2D(filters[1], 5, padding="same", activation=activation)(x)
    x = _pool(x, pool_stride_pixels)
    for number, width in enumerate(filters[2:], start=3):
        x = layers.Conv2D(width, 3, padding="same", activation=activation)(x)
        if number in dropout_convolutions:
            x = layers.Dropout(dropout)(x)
    x = layers.Flatten()(layers.Dropout(dropout)(_pool(x, pool_stride_pixels)))
    for width in units:
        x = layers.Dense(width, activation=activation)(x)
    if dropout_before_logits:
        x = layers.Dropout(dropout)(x)
    return keras.Model(images, logits(x, outputs), name="alexnet")


def _pool(x: keras.KerasTensor, stride_pixels: int) -> keras.KerasTensor:
    return layers.MaxPooling2D(3, strides=stride_pixels, padding="same")(x)
