"""The variables of a model: reading and writing their values, and seeding its random layers."""

import keras
import numpy as np

from pipeline.training.seeding import Purpose, seed_of, sequence


def reseed(model: keras.Model, seeds: tuple[int, ...]) -> None:
    """Seed every source of randomness inside the model.

    On TensorFlow these are only the layers' own generators. A new global seed would compile all functions again, which
    takes half a second per epoch.
    """
    if keras.backend.backend() != "tensorflow":
        keras.utils.set_random_seed(seed_of(seeds, Purpose.LAYERS))
    generators = [v for v in model.non_trainable_variables if "seed_generator" in v.path]
    for index, state in enumerate(generators, 1):
        state.assign(sequence(seeds, Purpose.LAYERS, index).generate_state(2).astype(state.dtype))


def set_variables(variables: list, values: list[np.ndarray]) -> None:
    """Assign each value to its variable."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def copies(variables: list) -> list[np.ndarray]:
    """Return copies of the values of variables: PyTorch returns views."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
