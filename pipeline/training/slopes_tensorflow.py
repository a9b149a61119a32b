"""The slope of a model's output in one of its variables, in TensorFlow."""

import keras
import numpy as np
import tensorflow as tf

from pipeline.training.batches import Inputs


def slope(model: keras.Model, variable: keras.Variable, inputs: Inputs, column: int) -> np.ndarray:
    """Return what `pipeline.training.slopes.slope` returns."""
    with tf.GradientTape() as tape:
        output = tf.reduce_sum(model(inputs, training=False)[:, column])
    return tape.gradient(output, variable.value).numpy()
