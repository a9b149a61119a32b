"""The slope of a model's output in one of its variables, in JAX."""

import jax
import keras
import numpy as np

from pipeline.training.batches import Inputs


def slope(model: keras.Model, variable: keras.Variable, inputs: Inputs, column: int) -> np.ndarray:
    """Return what `pipeline.training.slopes.slope` returns."""
    index = next(place for place, other in enumerate(model.trainable_variables) if other is variable)
    trainable = [other.value for other in model.trainable_variables]
    fixed = [other.value for other in model.non_trainable_variables]

    def output(value: jax.Array) -> jax.Array:
        values = [*trainable[:index], value, *trainable[index + 1 :]]
        return model.stateless_call(values, fixed, inputs, training=False)[0][:, column].sum()

    return np.asarray(jax.grad(output)(trainable[index]))
