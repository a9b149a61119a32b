"""How a model's steps are compiled."""

import keras


def jit_compile() -> bool | str:
    """Return what `keras.Model.compile` is told: no XLA where TensorFlow has only a CPU, else what Keras chooses.

    On two cores XLA's training steps take half as long again and a model needs eight seconds more to start
    (`python -m benchmarks.engine`).
    """
    on_cpu = not keras.distribution.list_devices("gpu")
    return False if keras.backend.backend() == "tensorflow" and on_cpu else "auto"
