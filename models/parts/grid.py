"""Turn a network with one output for each image into one with an output for each cell of its last feature grid."""

import keras
from keras import layers

POOLING = layers.GlobalAveragePooling2D | layers.GlobalMaxPooling2D


def apply_to_cells(network: keras.Model) -> keras.Model:
    """Return the network without its global pooling. The layers after the pooling are applied to each cell instead.

    Args:
        network: a network of any family, from images to logits (batch, outputs).

    Returns:
        a network with the same weights, from the same images to logits (batch, rows, columns, outputs).

    Raises:
        ValueError: the network has no global pooling.
    """
    if not any(isinstance(layer, POOLING) for layer in network.layers):
        raise ValueError(f"{network.name} has no global pooling, which a grid would replace")
    return keras.models.clone_model(network, clone_function=_without_pooling)


def _without_pooling(layer: keras.Layer) -> keras.Layer:
    return layers.Identity() if isinstance(layer, POOLING) else layer
