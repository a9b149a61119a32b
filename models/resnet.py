"""A small pre-activation residual network (He et al., "Identity Mappings in Deep Residual Networks", 2016)."""

import keras
from keras import layers

from models.parts.layers import convolution, logits, normalise, require_size
from models.registry.options import Activation, Count, Counts, Dropout

SPACE = {  # that tuning searches
    "options": {
        "stem_filters": [16, 32],
        "filters": [[32, 64, 128], [48, 96, 192], [64, 128, 256]],
        "blocks": [1, 2],
        "activation": ["relu", "gelu"],
        "dropout": {"low": 0.0, "high": 0.4},
    },
}


def build(
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    stem_filters: Count = 32,
    filters: Counts = (64, 128, 256),
    blocks: Count = 1,
    first_stride_pixels: Count = 2,
    activation: Activation = "relu",
    dropout: Dropout = 0.0,
) -> keras.Model:
    """Return the network. Each entry of `filters` is one stage of `blocks` residual blocks, which halves the image.

    With a `first_stride_pixels` of 1, the first stage keeps the image's size, as in wide residual networks (Zagoruyko
    and Komodakis, 2016). This needs four times the arithmetic for the same filters.
    """
    require_size(image_shape, 2 ** len(filters) * first_stride_pixels // 2)
    images = keras.Input(image_shape)
    x = convolution(images, stem_filters)
    for stage, width in enumerate(filters):
        for index in range(blocks):
            stride_pixels = 1 if index else 2 if stage else first_stride_pixels
            x = _block(x, width, stride_pixels, activation)
    x = layers.GlobalAveragePooling2D()(normalise(x, activation))
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(images, logits(x, outputs), name="resnet")


def _block(x: keras.KerasTensor, width: int, stride_pixels: int, activation: str) -> keras.KerasTensor:
    before = normalise(x, activation)
    same = stride_pixels == 1 and x.shape[-1] == width
    shortcut = x if same else convolution(before, width, size_pixels=1, stride_pixels=stride_pixels)
    y = normalise(convolution(before, width, stride_pixels=stride_pixels), activation)
    return layers.Add()([convolution(y, width), shortcut])
