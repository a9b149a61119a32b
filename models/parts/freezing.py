"""Transfer learning: choose which layers of a pretrained network train, and how fast."""

import keras
from keras import layers

from models.parts.cost import leaves

BACKBONE = "backbone"  # the name of the pretrained part inside a network


def freeze(model: keras.Model, tuned_layers: int = 0) -> None:
    """Freeze the model's backbone except its last `tuned_layers` layers with weights. Layers outside it train.

    The backbone's batch normalisations do not count, and keep their statistics, because a few small batches would spoil
    them.

    Raises:
        ValueError: the model has no backbone.
    """
    backbone = _backbone(model)
    if backbone is None:
        raise ValueError("no pretrained part that could be frozen; use architecture pretrained")
    parts = list(leaves(backbone))
    for layer in parts:
        layer.trainable = True
    weighted = [part for part in parts if part.trainable_weights and not isinstance(part, layers.BatchNormalization)]
    tuned = weighted[max(0, len(weighted) - tuned_layers) :]
    for layer in parts:
        layer.trainable = layer in tuned


def rate_shares(model: keras.Model, first_layer_share: float) -> tuple[float, ...]:
    """Return for each trainable variable of the model its share of the learning rate: less towards the input.

    The first layer of the backbone that trains has `first_layer_share`. The shares of the others grow geometrically
    with their place in the backbone, up to 1 for the layers after it. This is the discriminative fine-tuning of Howard
    and Ruder ("Universal Language Model Fine-tuning for Text Classification", 2018), spaced as in fastai.
    """
    backbone = _backbone(model)
    variables = [] if backbone is None else backbone.trainable_variables
    names = list(dict.fromkeys(_layer_of(variable) for variable in variables))
    shares = {name: first_layer_share ** (1 - place / len(names)) for place, name in enumerate(names)}
    by_variable = {id(variable): shares[_layer_of(variable)] for variable in variables}
    return tuple(by_variable.get(id(variable), 1.0) for variable in model.trainable_variables)


def _layer_of(variable: keras.Variable) -> str:
    return variable.path.rpartition("/")[0]


def _backbone(model: keras.Model) -> keras.Model | None:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            backbone = layer if layer.name == BACKBONE else _backbone(layer)
            if backbone is not None:
                return backbone
    return None
