"""A pretrained network with its weights, which come from a download, an installed package, a file or a folder."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from models.backbones.families import Family
from models.backbones.torch_file import load_tensors
from models.backbones.torch_layout import assign
from models.parts.freezing import BACKBONE
from models.registry.backbones import IMAGENET, path_of

TORCH_SUFFIXES = (".pt", ".pth")


def load(family: Family, weights: str | None, image_shape: tuple[int, ...], width: float = 1.0) -> keras.Model:
    """Return the network without its top, from preprocessed images to mean features (batch, units).

    Its name is BACKBONE.

    Args:
        family: which network.
        weights: `imagenet`; a file of weights without the top; a folder with the files that Keras downloads; or None
            for random weights.
        image_shape: (height, width, 3).
        width: a multiple of the filters.

    Raises:
        ValueError: the weights are missing, or do not fit the network.
    """
    if width != 1 and not family.has_width:
        raise ValueError(f"width is an option of mobilenet, not of {family.name}")
    path = path_of(family.name, weights)
    if family.is_of_keras:
        return _of_keras(family, weights, image_shape, {"alpha": width} if family.has_width else {})
    network = family.build(image_shape, BACKBONE)
    if path is not None:
        _assign(family, network, path)
    return network


def _assign(family: Family, network: keras.Model, path: Path) -> None:
    try:
        if path.suffix in TORCH_SUFFIXES:
            assign(network, load_tensors(path), family.epsilon)
        else:
            network.load_weights(path)
    except Exception as error:  # of pickle, h5py and Keras
        raise _misfit(family, str(path), error) from error


def _misfit(family: Family, weights: str, error: Exception) -> ValueError:
    reason = str(error).strip().split("\n")[0]
    return ValueError(f"weights: {weights} is no weights file of {family.name} without its top: {reason}")


def _of_keras(
    family: Family, weights: str | None, image_shape: tuple[int, ...], options: dict[str, Any]
) -> keras.Model:
    def build(weights: str | None, image_shape: tuple[int, ...]) -> keras.Model:
        with warnings.catch_warnings(action="ignore"):  # MobileNet warns that other sizes use the weights for 224
            network = family.build(
                include_top=False, weights=weights, input_shape=image_shape, pooling="avg", **options
            )
        network.name = BACKBONE  # EfficientNetV2 chooses its blocks by the name that it is built with
        return network

    if weights is None:
        return build(None, image_shape)
    if options.get("alpha", 1) != 1 and weights != IMAGENET and Path(weights).is_file():
        get_weights = weights  # Keras has downloads for a few widths only
    else:
        get_weights = IMAGENET
    try:
        with _downloads(family, weights):
            if not family.name.startswith("nasnet"):
                return build(get_weights, image_shape)
            # Keras loads these for images of the default size only.
            trained = build(get_weights, (family.pixels, family.pixels, 3))
            network = build(None, image_shape)
            network.set_weights(trained.get_weights())
            return network
    except _MissingFile as error:
        raise ValueError(str(error)) from error
    except Exception as error:  # of h5py and Keras
        raise _misfit(family, weights, error) from error


class _MissingFile(Exception):
    """A file with weights cannot be had."""


@contextmanager
def _downloads(family: Family, weights: str) -> Iterator[None]:
    """Inside the block, the functions of `keras.applications` get a file or a folder's file instead of a download.

    With these instead of `imagenet`, EfficientNet would leave a step of its preprocessing out.
    """
    module = sys.modules[keras.utils.get_file.__module__]
    download: Callable[..., str] = module.get_file

    def get_file(name: str, origin: str, **options: Any) -> str:
        if weights != IMAGENET:
            path = Path(weights) if Path(weights).is_file() else Path(weights, name)
            if not path.is_file():
                raise _MissingFile(f"weights: no file {name} in {weights}; download it from {origin}")
            return str(path)
        try:
            return download(name, origin, **options)
        except Exception as error:
            home = os.environ.get("KERAS_HOME", "~/.keras")
            raise _MissingFile(
                f"no ImageNet weights of {family.name}: without a network here, download {origin} elsewhere, to "
                f"{home}/models/{name}"
            ) from error

    module.get_file = get_file  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.get_file = download  # type: ignore[attr-defined]
