"""Feature vectors of images: what a pretrained network computes before its last layer, as the mean over views."""

import math
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops
from PIL import Image

from models.backbones.families import family
from models.backbones.weights import load

LEAST_SCALE = 1.05  # images are not enlarged by less, which would only blur them


@dataclass(frozen=True)
class Extraction:
    """How feature vectors are computed. Two vectors can be compared if all of this is equal."""

    backbone: str
    weights: str | None
    size_pixels: int | None  # of the network's images; None: as in the network's own training
    flip: bool  # whether the mirrored image is a second view


def vectors(pixels: keras.KerasTensor, extraction: Extraction) -> keras.KerasTensor:
    """Return the feature vectors, float32 (batch, units), of images with values 0..255 (batch, height, width, 1 or 3).

    Raises:
        ValueError: the weights cannot be loaded.
    """
    network = family(extraction.backbone)
    height, width, channels = pixels.shape[1:]
    if channels == 1:
        pixels = layers.Concatenate(name="grey_to_rgb")([pixels, pixels, pixels])
    side = extraction.size_pixels or network.pixels
    scale = max(side / math.sqrt(height * width), network.least_pixels / min(height, width))
    is_close = 1 <= scale < LEAST_SCALE and min(height, width) >= network.least_pixels
    size = (height, width) if is_close else (round(scale * height), round(scale * width))
    if size != (height, width):
        pixels = resize(pixels, size)
    backbone = load(network, extraction.weights, (*size, 3))
    backbone.trainable = False
    inputs = network.preprocess(ops.cast(pixels, "float32"))
    views = [inputs, ops.flip(inputs, axis=2)] if extraction.flip else [inputs]
    return layers.Average(name="views")([backbone(view) for view in views]) if len(views) > 1 else backbone(inputs)


def resize(pixels: keras.KerasTensor, size: tuple[int, int]) -> keras.KerasTensor:
    """Return images of `size`, (height, width), as Pillow resizes them: bicubic, and averaged where they shrink.

    Bicubic scored better than bilinear on enlarged photos. Keras's layer for it cannot be compiled by XLA.
    """
    rows, columns = (_weights(old, new) for old, new in zip(pixels.shape[1:3], size, strict=True))
    resized = ops.einsum("qw,bhwc->bhqc", columns, ops.einsum("ph,bhwc->bpwc", rows, ops.cast(pixels, "float32")))
    return ops.clip(resized, 0, 255)


def _weights(old: int, new: int) -> np.ndarray:
    """Return the weights, float32 (new, old), with which Pillow resizes one axis."""
    identity = Image.fromarray(np.eye(old, dtype=np.float32))
    return np.asarray(identity.resize((old, new), Image.Resampling.BICUBIC))


def extractor(image_shape: tuple[int, int, int], extraction: Extraction) -> keras.Model:
    """Return a model from uint8 images (batch, *image_shape) to their feature vectors."""
    images = keras.Input(image_shape, dtype="uint8")
    return keras.Model(images, vectors(ops.cast(images, "float32"), extraction), name="extractor")
