"""Programs and modules that a few tests need, and a fake `nvidia-smi`.

Where one is missing, the test is skipped and says how to install it; in CI it fails.
"""

import importlib
import os
import shutil
from pathlib import Path
from types import ModuleType

import pytest


def need_program(name: str, how: str) -> str:
    """Return the path of a program; without it skip the test, or fail in CI, and say how to install it."""
    return shutil.which(name) or _missing(name, how)


def need_module(name: str, how: str) -> ModuleType:
    """Return a module; without it skip the test, or fail in CI, and say how to install it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return _missing(name, how)


def write_nvidia_smi(folder: Path, listed: str) -> None:
    """Write a program `nvidia-smi` that lists these GPUs."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ntest $1 = -L && echo '{listed}'\n")
    program.chmod(0o755)


def _missing(name: str, how: str):
    end = pytest.fail if os.environ.get("CI") else pytest.skip
    end(f"{name} is missing: {how}")
