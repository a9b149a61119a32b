"""The networks of report E, pretrained on ImageNet, with a fresh last layer: VGG-16, ResNet-50 and MobileNet.

They come from `keras.applications`, with the preprocessing of their own training. `training.frozen_epochs` of a member
is the number of epochs in which only the last layer trains.
"""

import warnings
from pathlib import Path
from typing import Literal

import keras
from keras import applications, layers

from models.parts.freezing import BACKBONE
from models.parts.layers import logits
from models.registry.options import Dropout, File, Width

LEAST_PIXELS = 32  # each side, for all three
BACKBONES = {
    "mobilenet": (applications.MobileNet, applications.mobilenet.preprocess_input),
    "resnet50": (applications.ResNet50, applications.resnet.preprocess_input),
    "vgg16": (applications.VGG16, applications.vgg16.preprocess_input),
}

SPACE = {
    "options": {"backbone": list(BACKBONES), "dropout": {"low": 0.0, "high": 0.5}},
    "training": {"tuned_layers": {"low": 1, "high": 12}},
}


def build(
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    backbone: Literal["mobilenet", "resnet50", "vgg16"] = "mobilenet",
    weights: File | None = "imagenet",
    width: Width = 1.0,
    dropout: Dropout = 0.0,
) -> keras.Model:
    """Return the network for images of 0..1. Sides below 32 pixels are enlarged, and grey images get three channels.

    Args:
        backbone: mobilenet, resnet50 or vgg16.
        weights: `imagenet` (which Keras downloads to ~/.keras), a weights file of the backbone without its top, or None
            for random weights.
        width: a multiple of the filters, for mobilenet only.

    Raises:
        ValueError: the weights cannot be loaded, or do not fit the backbone.
    """
    if backbone not in BACKBONES:
        raise ValueError(f"backbone {backbone!r} is not one of {', '.join(BACKBONES)}")
    if width != 1 and backbone != "mobilenet":
        raise ValueError(f"width is an option of mobilenet, not of {backbone}")
    _, preprocess = BACKBONES[backbone]
    images = x = keras.Input(image_shape)
    if image_shape[2] == 1:
        x = layers.Concatenate(name="grey_to_rgb")([x, x, x])
    scale = max(1, LEAST_PIXELS / min(image_shape[:2]))
    size = tuple(round(scale * side) for side in image_shape[:2])
    if scale > 1:
        x = layers.Resizing(*size)(x)
    body = _backbone(backbone, weights, (*size, 3), {"alpha": width} if backbone == "mobilenet" else {})
    x = layers.Dropout(dropout)(body(preprocess(255 * x)))
    return keras.Model(images, logits(x, outputs), name="pretrained")


def _backbone(backbone: str, weights: str | None, image_shape: tuple[int, ...], options: dict) -> keras.Model:
    if weights not in (None, "imagenet") and not Path(weights).is_file():
        raise ValueError(f"weights: no file {weights}, expected a weights file of {backbone} without its top")
    application, _ = BACKBONES[backbone]
    try:
        with warnings.catch_warnings(
            action="ignore"
        ):  # MobileNet warns that other sizes use the weights for 224 pixels
            body = application(
                include_top=False, weights=weights, input_shape=image_shape, pooling="avg", name=BACKBONE, **options
            )
    except Exception as error:  # of h5py, urllib and Keras itself
        reason = str(error).strip().split("\n")[0]
        if weights == "imagenet":
            raise ValueError(f"no ImageNet weights of {backbone}: {reason}; set weights to a file of them") from error
        raise ValueError(f"weights: {weights} is no weights file of {backbone} without its top: {reason}") from error
    return body
