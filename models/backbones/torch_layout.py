"""Weights in PyTorch's layout for Keras networks with the same layers in the same order."""

import keras
import numpy as np
from keras import layers


def assign(network: keras.Model, tensors: dict[str, np.ndarray], epsilon: float) -> None:
    """Assign the tensors of a state dict to the network's convolutions and batch normalisations.

    Dense layers of the state dict are left out: a network without its top has none. Keras adds its own epsilon to the
    variance. Where PyTorch added another one, gamma is scaled, so that the outputs are equal.

    Args:
        network: lists its layers in the order of the state dict, as a network without parallel branches does.
        tensors: by name, such as `features.0.1.running_mean`.
        epsilon: of the batch normalisations in PyTorch.

    Raises:
        ValueError: the layers differ in number, kind or shape.
    """
    modules = _modules(tensors)
    weighted = [layer for layer in network.layers if layer.weights]
    if len(modules) != len(weighted):
        raise ValueError(f"{len(modules)} layers in the file, expected {len(weighted)} as {network.name} has")
    for (name, module), layer in zip(modules.items(), weighted, strict=True):
        values = _values(layer, module, epsilon)
        shapes, expected = [value.shape for value in values], [tuple(weight.shape) for weight in layer.weights]
        if shapes != expected:
            raise ValueError(f"{name} has shapes {shapes}, expected {expected} as {layer.name} has")
        layer.set_weights(values)


def _modules(tensors: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Return the tensors of each convolution and batch normalisation, by the names of the module and of the tensor."""
    modules: dict[str, dict[str, np.ndarray]] = {}
    for name, tensor in tensors.items():
        module, _, kind = name.rpartition(".")
        modules.setdefault(module, {})[kind] = tensor
    return {name: module for name, module in modules.items() if module["weight"].ndim != 2}


def _values(layer: layers.Layer, module: dict[str, np.ndarray], epsilon: float) -> list[np.ndarray]:
    """Return the values of the layer's weights, in Keras's order and layout."""
    if isinstance(layer, layers.BatchNormalization):
        mean, variance = module["running_mean"], module["running_var"]
        gamma = module["weight"] * np.sqrt((variance + layer.epsilon) / (variance + epsilon))
        return [gamma, module["bias"], mean, variance]
    order = (2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0)
    kernel = module["weight"].transpose(order)
    return [kernel, *([module["bias"]] if "bias" in module else [])]
