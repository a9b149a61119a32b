"""Logistic regression on the features of a pretrained network: a strong member for photos in a minute.

The pretrained network stays as it is. So the features of all images are computed only once, and a fold takes seconds.
"""

import keras

from models.backbones.extraction import Extraction, vectors
from models.parts.layers import logits
from models.registry.options import Backbone, File, Penalty, Side

SPACE = {
    "options": {
        "backbone": ["efficientnet_lite0", "mobilenetv2", "efficientnetv2b0"],
        "size_pixels": [128, 160, 192, 224, 256],
    },
    "training": {"learning_rate": None, "weight_decay": None, "label_smoothing": None},
}


def build(
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    backbone: Backbone = "efficientnet_lite0",
    weights: File | None = "imagenet",
    size_pixels: Side | None = None,
    flip: bool = False,
    c: Penalty | None = None,
) -> keras.Model:
    """Return the whole network for images of 0..1, with a last layer that is not fitted yet.

    Args:
        backbone: as for `pretrained`.
        weights: as for `pretrained`.
        size_pixels: side of a square with as many pixels as the images that the backbone gets, which keep their aspect
            ratio. None: as in its own training.
        flip: add the mirrored image as a second view; an image's features are the mean over its views.
        c: inverse strength of the penalty, as in scikit-learn. None: chosen for each fold on its training rows.

    Raises:
        ValueError: the weights cannot be loaded, or do not fit the backbone.
    """
    images = keras.Input(image_shape)
    extraction = Extraction(backbone, weights, size_pixels, flip)
    return keras.Model(images, logits(vectors(255 * images, extraction), outputs), name="features")
