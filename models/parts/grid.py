"""From one answer an image to one a place: a network's logits at each cell of its last feature grid."""

import keras
from keras import layers

POOLING = layers.GlobalAveragePooling2D | layers.GlobalMaxPooling2D


def each_cell(network: keras.Model) -> keras.Model:
    """Return the network without its global pooling: what lies behind it is applied to each cell instead.

    Args:
        network: of any family, from images to logits (batch, outputs).

    Returns:
        of the same layers, from the same images to logits (batch, rows, columns, outputs).

    Raises:
        ValueError: the network does not pool its last grid as a whole.
    """
    if not any(isinstance(layer, POOLING) for layer in network.layers):
        raise ValueError(f"{network.name} has no global pooling, in whose place a grid would come")
    return keras.models.clone_model(network, clone_function=_unpooled)


def _unpooled(layer: keras.Layer) -> keras.Layer:
    return layers.Identity() if isinstance(layer, POOLING) else layer
