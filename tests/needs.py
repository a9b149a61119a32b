"""Programs and modules that a few tests need. Without them a test is skipped, or fails in CI."""

import importlib
import os
import shutil
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


def _missing(name: str, how: str):
    end = pytest.fail if os.environ.get("CI") else pytest.skip
    end(f"{name} is missing: {how}")
