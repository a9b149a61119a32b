"""The cost of a network: its layers with weights, and its arithmetic."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import layers


@contextmanager
def without_weights() -> Iterator[None]:
    """Build networks inside the block with shapes but without weights, which is enough to inspect them."""
    with keras.StatelessScope(initialize_variables=False):
        yield
    # Keras keeps a list of such variables, and would initialise them at the end of the next scope.
    keras.utils.clear_session(free_memory=False)


def weighted_layers(model: keras.Model) -> int:
    """Return the number of convolutional and dense layers, which is how depth is counted in the literature."""
    return sum(isinstance(layer, layers.Dense | layers.Conv2D | layers.DepthwiseConv2D) for layer in leaves(model))


def flops(model: keras.Model) -> int:
    """Return the floating-point operations of one forward pass through convolutions and dense layers.

    A multiplication and its addition count as two. All other layers are left out, because they cost little. Training
    takes about three times as many: the forward pass, the gradients of activations, the gradients of weights.
    """
    return sum(_flops(layer) for layer in leaves(model))


def layer_rows(model: keras.Model) -> list[dict[str, Any]]:
    """Return a row for each layer in order: its `kind`, the `shape` of its output for one image, parameters, FLOPs."""
    return [
        {
            "kind": type(layer).__name__,
            "shape": list(layer.output.shape[1:]),
            "parameters": layer.count_params(),
            "flops": _flops(layer),
        }
        for layer in leaves(model)
    ]


def leaves(model: keras.Model) -> Iterator[keras.Layer]:
    """Yield the layers of a model in their order, and those of the models inside it in place of these."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        else:
            yield layer


def _flops(layer: keras.Layer) -> int:
    if isinstance(layer, layers.DepthwiseConv2D | layers.Conv2D | layers.Dense):
        places = math.prod(layer.output.shape[1:-1])
        weights = math.prod(layer.kernel.shape)  # each weight of a depthwise kernel serves one channel
        return 2 * places * weights
    return 0
