"""Where a network sees evidence for a class: the slope of its logit in a gain for each place of the last feature map.

The slope at a gain of one is the sum over the channels of feature times gradient: HiResCAM (Draelos and Carin, "Use
HiResCAM instead of Grad-CAM for faithful explanations", 2020). For a network that ends in global average pooling and a
dense layer it is the map of Grad-CAM (Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks", 2017). For
a network that flattens its map, Grad-CAM would mix up places, as it averages the gradient over them.
"""

import keras
from keras import layers, ops


class Gain(layers.Layer):
    """Multiplies each place of a feature map (batch, height, width, channels) by a weight, which is one."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weight (1, height, width, 1)."""
        self.gain = self.add_weight(shape=(1, *input_shape[1:3], 1), initializer="ones", dtype="float32", name="gain")

    def call(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Return the map in its own dtype."""
        return features * ops.cast(self.gain, features.dtype)


def with_gain(model: keras.Model) -> tuple[keras.Model, Gain]:
    """Return a model with the same weights and outputs, and the gain behind its last feature map.

    This is the output of the last layer with several places, which can be inside a nested model. A network without
    convolutions has its pixels there.
    """
    target, gain = [layer for layer in _leaves(model) if _has_places(layer)][-1], Gain(name="gain")

    def call(layer: keras.Layer, *arguments: object, **options: object) -> keras.KerasTensor:
        outputs = layer(*arguments, **options)
        return gain(outputs) if layer is target else outputs

    clone = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call, recursive=True)
    return clone, gain


def _leaves(model: keras.Model) -> list[layers.Layer]:
    """Return the layers in their order, with those of nested models instead of the models."""
    nested = [_leaves(layer) if isinstance(layer, keras.Model) else [layer] for layer in model.layers]
    return [layer for some in nested for layer in some]


def _has_places(layer: layers.Layer) -> bool:
    if isinstance(layer, layers.InputLayer):
        return False
    shape = tuple(getattr(layer.output, "shape", ()))
    return len(shape) == 4 and shape[1] * shape[2] > 1
