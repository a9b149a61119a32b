"""The pretrained networks without their last layer, by name: those of `keras.applications`, and two of PyTorch."""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import keras
from keras import applications

from models.backbones import efficientnet_lite, torch_mobilenet
from models.registry.backbones import LEAST_PIXELS, OTHER_LEAST_PIXELS, OTHER_PIXELS, PIXELS, keras_applications

OF_TORCH = {
    "efficientnet_lite0": efficientnet_lite.efficientnet_lite0,
    "torch_mobilenetv2": torch_mobilenet.torch_mobilenetv2,
}


@dataclass(frozen=True)
class Family:
    """A pretrained network: how it is built, and how it wants its images."""

    name: str
    build: Callable[..., keras.Model]

    @property
    def is_of_keras(self) -> bool:
        """Whether `build` is a function of `keras.applications`."""
        return self.name not in OF_TORCH

    @property
    def pixels(self) -> int:
        """The side of the images on which the network was trained."""
        return OTHER_PIXELS.get(self.name, PIXELS)

    @property
    def least_pixels(self) -> int:
        """The shortest side of an image."""
        return OTHER_LEAST_PIXELS.get(self.name, LEAST_PIXELS)

    @property
    def has_width(self) -> bool:
        """Whether the number of filters can be multiplied."""
        return "alpha" in inspect.signature(self.build).parameters

    def preprocess(self, pixels: keras.KerasTensor) -> keras.KerasTensor:
        """Return pixels 0..255 as the network was trained on them."""
        return self._module.preprocess_input(pixels)

    @property
    def epsilon(self) -> float:
        """The epsilon of the batch normalisations in PyTorch."""
        return self._module.EPSILON

    @property
    def _module(self) -> ModuleType:
        return sys.modules[self.build.__module__]


def family(name: str) -> Family:
    """Return the network of this name.

    Raises:
        ValueError: there is none.
    """
    if name in OF_TORCH:
        return Family(name, OF_TORCH[name])
    if name not in keras_applications():
        raise ValueError(f"backbone {name!r} is unknown; models/registry/backbones.py has the names")
    return Family(name, getattr(applications, keras_applications()[name]))
