"""Transfer learning: choose which layers of a pretrained network train."""

import keras
from keras import layers

BACKBONE = "backbone"  # the name of the pretrained part inside a network


def freeze(model: keras.Model, tuned_layers: int = 0) -> None:
    """Freeze the model's backbone except its last `tuned_layers` convolutions. Layers outside the backbone train.

    The backbone's batch normalisations keep their statistics, because a few small batches would spoil them.

    Raises:
        ValueError: the model has no backbone.
    """
    backbone = _backbone(model)
    if backbone is None:
        raise ValueError("no pretrained part that could be frozen; use architecture pretrained")
    convolutions = [layer for layer in backbone.layers if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)]
    tuned = convolutions[len(convolutions) - tuned_layers :]
    for layer in backbone.layers:
        layer.trainable = layer in tuned


def _backbone(model: keras.Model) -> keras.Model | None:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            backbone = layer if layer.name == BACKBONE else _backbone(layer)
            if backbone is not None:
                return backbone
    return None
