"""What a network costs: layers with weights, and arithmetic."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import keras
from keras import layers


@contextmanager
def without_weights() -> Iterator[None]:
    """Let networks built inside the block have shapes but no weights, for those that are only looked at."""
    with keras.StatelessScope(initialize_variables=False):
        yield
    # Keras notes such variables down, keeps them, and would draw their values at the end of the next scope.
    keras.utils.clear_session(free_memory=False)


def weighted_layers(model: keras.Model) -> int:
    """Return the number of convolutional and dense layers, which is how depth is counted in the literature."""
    return sum(isinstance(layer, layers.Dense | layers.Conv2D | layers.DepthwiseConv2D) for layer in _leaves(model))


def flops(model: keras.Model) -> int:
    """Return the floating-point operations of one forward pass through convolutions and dense layers.

    A multiplication and its addition are two. Everything else is left out, as it is small. Training takes about three
    times as many: forward, gradients of activations, gradients of weights.
    """
    return sum(_flops(layer) for layer in _leaves(model))


def _leaves(model: keras.Model) -> Iterator[keras.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


def _flops(layer: keras.Layer) -> int:
    if isinstance(layer, layers.DepthwiseConv2D | layers.Conv2D | layers.Dense):
        places = math.prod(layer.output.shape[1:-1])
        used = math.prod(layer.kernel.shape)  # of a depthwise kernel, each weight serves one channel
        return 2 * places * used
    return 0
