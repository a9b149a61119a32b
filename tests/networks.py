"""Options that make each architecture small, and the architectures that `make test` samples."""

from collections.abc import Iterable

import pytest

SMALL = {  # small enough to train in a test; other options have their defaults
    "alexnet": {"filters": [8, 16, 16, 16, 16], "units": [32, 32], "dropout": 0.0},
    "convnet": {"filters": [4, 8], "units": 16},
    "deep_resnet": {"filters": [4, 4, 8, 8]},
    "fast": {"width": 0.125, "dropout": 0.1, "residual": True},
    "features": {"weights": None, "backbone": "mobilenetv3small", "size_pixels": 32},
    "feedforward": {"units": [64, 64], "activation": "gelu"},
    "inception": {"stem_filters": [8, 8], "filters": [8, 8, 8, 8], "reduced_filters": [8, 8], "dropout": 0.0},
    "lenet": {"filters": [4, 8], "units": 16},
    "modified_resnet": {"filters": 8, "blocks": 2, "units": 16, "dropout": 0.1},
    "overlap_cnn": {"filters": [8, 8], "units": 32, "dropout": 0.1},
    "pretrained": {"weights": None, "width": 0.25},
    "resnet": {"stem_filters": 4, "filters": [4, 8], "blocks": 2, "dropout": 0.1},
    "skip_cnn": {"filters": [8, 8, 8], "units": [32, 32], "dropout": 0.1},
    "traditional_cnn": {"filters": [8, 8, 8], "units": [32, 32], "dropouts": [0.1, 0.1]},
    "vgg": {"depth": 11, "filters": [4, 8, 8, 8, 8], "units": [16, 16], "dropout": 0.1},
}
SAMPLE = ("fast", "feedforward", "inception", "lenet", "resnet")


def sampled(architectures: Iterable[str]) -> list:
    """Return parameters of a test: those of SAMPLE are slow, the others nightly."""
    marks = {name: pytest.mark.slow if name in SAMPLE else pytest.mark.nightly for name in architectures}
    return [pytest.param(name, marks=mark) for name, mark in marks.items()]
