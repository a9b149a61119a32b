"""What makes an epoch after a restart equal to the same epoch without one: its seeds, and copies of variables."""

import keras
import numpy as np


def reseed(model: keras.Model, seeds: tuple[int, ...]) -> None:
    """Set every source of randomness inside the model anew.

    On TensorFlow these are the layers' own generators alone, and its global seed would have all functions compiled
    again: half a second an epoch.
    """
    if keras.backend.backend() != "tensorflow":
        keras.utils.set_random_seed(seed_of(*seeds))
    generators = [v for v in model.non_trainable_variables if "seed_generator" in v.path]
    for index, state in enumerate(generators):
        state.assign(np.random.SeedSequence((*seeds, index)).generate_state(2).astype(state.dtype))


def seed_of(*parts: int) -> int:
    """Return one seed of several numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def set_variables(variables: list, values: list[np.ndarray]) -> None:
    """Assign each value to its variable."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def copies(variables: list) -> list[np.ndarray]:
    """Return the values of variables, as copies: PyTorch hands out views."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
