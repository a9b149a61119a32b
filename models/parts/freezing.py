"""Transfer learning: which layers of a pretrained network learn."""

import keras
from keras import layers

BACKBONE = "backbone"  # the name of the pretrained part inside a network


def freeze(model: keras.Model, tuned_layers: int = 0) -> None:
    """Let of the model's backbone only the last `tuned_layers` convolutions learn, and everything outside it.

    Its batch normalisations keep their statistics, which a few small batches would spoil.

    Raises:
        ValueError: the model has no backbone.
    """
    body = _backbone(model)
    if body is None:
        raise ValueError("no pretrained part that could be frozen; use architecture pretrained")
    convolutions = [layer for layer in body.layers if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)]
    tuned = convolutions[len(convolutions) - tuned_layers :]
    for layer in body.layers:
        layer.trainable = layer in tuned


def _backbone(model: keras.Model) -> keras.Model | None:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found = layer if layer.name == BACKBONE else _backbone(layer)
            if found is not None:
                return found
    return None
