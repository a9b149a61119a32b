"""The slope of a model's output in one of its variables, by the backend's own derivatives."""

import keras
import numpy as np

from pipeline.storage.files import BadInput
from pipeline.training.batches import Inputs


def slope(model: keras.Model, variable: keras.Variable, inputs: Inputs, column: int) -> np.ndarray:
    """Return the derivative, of the variable's shape, of an output's sum over the batch.

    Args:
        model: a model with outputs (batch, columns).
        variable: a trainable variable of the model.
        inputs: of the model.
        column: the output.

    Raises:
        BadInput: the backend is neither TensorFlow nor JAX.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        from pipeline.training.slopes_jax import slope as backend_slope
    elif backend == "tensorflow":
        from pipeline.training.slopes_tensorflow import slope as backend_slope
    else:
        raise BadInput(f"KERAS_BACKEND is {backend}, expected tensorflow or jax for derivatives")
    return backend_slope(model, variable, inputs, column)
