"""The settings of training on the JAX backend: the tests of their meaning again, in a process of their own."""

import subprocess
import sys

import pytest

from tests.projects import ROOT, environment

FILES = ("test_optimiser_steps.py", "test_losses.py", "test_batch_norm.py", "test_training_settings.py")


@pytest.mark.slow
def test_the_settings_of_training_have_the_same_meaning_on_jax():
    inherited = {name: value for name, value in environment().items() if not name.startswith("JAX_")}
    files = [str(ROOT / "tests" / name) for name in FILES]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-n", "0", *files]
    done = subprocess.run(command, cwd=ROOT, env={**inherited, "KERAS_BACKEND": "jax"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
