"""Architectures, one family a file: `build(image_shape, outputs, **options)` from normalised images to logits.

SPACE, in the same file, is what tuning may change: plain data, see `pipeline/tuning/space.py`. The registry is the
list of files. A file is imported only when its network is built, so reading a configuration never imports Keras.
"""

import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

_OTHERS = ("__init__", "gan")
ARCHITECTURES = tuple(sorted({path.stem for path in Path(__file__).parent.glob("*.py")} - set(_OTHERS)))


def build(
    architecture: str, image_shape: tuple[int, int, int], outputs: int, options: Mapping[str, Any]
) -> "keras.Model":
    """Return a fresh model from float images (batch, height, width, channels) to float32 logits (batch, outputs).

    Raises:
        ValueError: the architecture or one of its options is unknown, or it does not support images of that shape.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture {architecture!r} is unknown; known are {', '.join(ARCHITECTURES)}")
    family = importlib.import_module(f"models.{architecture}").build
    legal = [p.name for p in inspect.signature(family).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for name in options:
        if name not in legal:
            raise ValueError(f"option {name!r} of {architecture} is unknown; legal are {', '.join(legal)}")
    try:
        return family(image_shape, outputs, **options)
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{architecture} cannot be built for images of shape {image_shape}: {reason}") from error
