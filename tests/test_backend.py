"""What importing and using the backend shows on a terminal."""

import os
import subprocess
import sys

import pytest

from tests.projects import ROOT

STEP = """
from pipeline.running.backend import keras
import numpy as np

network = keras.Sequential([keras.layers.Dense(2)])
network.compile("adam", "mse")
network.fit(np.zeros((8, 3)), np.zeros((8, 2)), verbose=0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_training_step_writes_nothing_to_the_terminal(backend):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "CUDA_", "JAX_"))}
    environment |= {"KERAS_BACKEND": backend}
    process = subprocess.run([sys.executable, "-c", STEP], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
