"""LeNet-7 of report C, after LeCun et al., "Gradient-based learning applied to document recognition" (1998).

The report gives seven layers and 0.44 M parameters at 64x128: convolution, pooling, convolution, pooling, convolution,
dense, dense. Widths of 6, 16, 16 and 120 give that count.
"""

import keras
from keras import layers

from models.parts.layers import logits
from models.registry.options import Activation, Count, Counts

LEAST_PIXELS = 32  # LeCun et al. pad 28x28 images to this size, so that filters can centre on strokes at the border

SPACE = {  # that tuning searches
    "options": {
        "filters": [[6, 16, 16], [16, 32, 64], [32, 64, 128]],
        "units": [84, 120, 256],
        "activation": ["tanh", "relu", "gelu"],
    },
    "training": {"learning_rate": {"low": 1e-4, "high": 5e-3, "log": True}},
}


def build(
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    filters: Counts = (6, 16, 16),
    units: Count = 120,
    activation: Activation = "tanh",
) -> keras.Model:
    """Return the network. Its 5x5 convolutions have no padding; average pooling follows each except the last."""
    images = keras.Input(image_shape)
    missing = [max(0, LEAST_PIXELS - side) for side in image_shape[:2]]
    x = layers.ZeroPadding2D([(pixels // 2, pixels - pixels // 2) for pixels in missing])(images)
    x = layers.Conv2D(filters[0], 5, activation=activation)(x)
    for width in filters[1:]:
        x = layers.Conv2D(width, 5, activation=activation)(layers.AveragePooling2D(2)(x))
    x = layers.Dense(units, activation=activation)(layers.Flatten()(x))
    return keras.Model(images, logits(x, outputs), name="lenet")
