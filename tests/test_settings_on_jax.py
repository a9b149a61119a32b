"""The settings of training on the JAX backend: the tests of their meaning again, in a process of their own."""

import subprocess
import sys

import pytest

from tests.projects import ROOT, jax_environment

FILES = ("test_optimiser_steps.py", "test_losses.py", "test_batch_norm.py", "test_training_settings.py")
SAMPLE = (
    "test_optimiser_steps.py::test_muon_moves_a_convolution_as_calculated_by_hand",
    "test_batch_norm.py::test_statistics_of_batch_normalisation_are_those_of_all_training_rows",
    "test_training_settings.py::test_two_batches_of_four_make_the_step_of_one_of_eight[muon]",
)


@pytest.mark.parametrize(
    "tests", [pytest.param(SAMPLE, marks=pytest.mark.slow), pytest.param(FILES, marks=pytest.mark.nightly)]
)
def test_the_settings_of_training_have_the_same_meaning_on_jax(tests, tmp_path):
    names = [str(ROOT / "tests" / name) for name in tests]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-n", "0", *names]
    process = subprocess.run(command, cwd=tmp_path, env=jax_environment(), capture_output=True, text=True)
    assert process.returncode == 0, process.stdout
