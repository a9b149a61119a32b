"""Code for arrays of NumPy and of JAX alike: functions come from the array's own namespace."""

from types import ModuleType
from typing import Any

Array = Any  # an array of NumPy or JAX; this package does not import JAX


def namespace(array: Array) -> ModuleType:
    """Return the module with the functions for an array: `numpy` or `jax.numpy`."""
    return array.__array_namespace__()
