"""Seeds of epochs and copies of variables, which make an epoch after a restart equal to one without a restart."""

import enum

import keras
import numpy as np


class Purpose(enum.IntEnum):
    """The purpose of random numbers. Each purpose has its own stream, whatever the seeds are."""

    WEIGHTS = 0
    ORDER = 1
    BATCH = 2
    EXCHANGE = 3
    FLIPS = 4
    LAYERS = 5
    STATISTICS = 6
    IMAGES = 7


def stream(seeds: tuple[int, ...], purpose: Purpose, index: int = 0) -> np.random.Generator:
    """Return NumPy's stream for some seeds, a purpose and the index of a batch."""
    return np.random.default_rng(_sequence(seeds, purpose, index))


def seed_of(seeds: tuple[int, ...], purpose: Purpose, index: int = 0) -> int:
    """Return one seed (32 bits) for several numbers and a purpose."""
    return int(_sequence(seeds, purpose, index).generate_state(1)[0])


def _sequence(seeds: tuple[int, ...], purpose: Purpose, index: int) -> np.random.SeedSequence:
    """Return entropy that is different for different arguments: (1, 2) and (1, 2, 0) alone give NumPy the same one."""
    return np.random.SeedSequence(seeds, spawn_key=(len(seeds), purpose, index))


def reseed(model: keras.Model, seeds: tuple[int, ...]) -> None:
    """Seed every source of randomness inside the model.

    On TensorFlow these are only the layers' own generators. A new global seed would compile all functions again, which
    takes half a second per epoch.
    """
    if keras.backend.backend() != "tensorflow":
        keras.utils.set_random_seed(seed_of(seeds, Purpose.LAYERS))
    generators = [v for v in model.non_trainable_variables if "seed_generator" in v.path]
    for index, state in enumerate(generators, 1):
        state.assign(_sequence(seeds, Purpose.LAYERS, index).generate_state(2).astype(state.dtype))


def set_variables(variables: list, values: list[np.ndarray]) -> None:
    """Assign each value to its variable."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def copies(variables: list) -> list[np.ndarray]:
    """Return copies of the values of variables: PyTorch returns views."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
