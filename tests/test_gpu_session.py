"""The script for a session on a lent GPU, rehearsed on a CPU with few images and JAX."""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from tests.projects import ROOT

SCRIPT = "benchmarks/gpu_session.sh"


def test_the_script_is_sound_bash():
    subprocess.run(["bash", "-n", SCRIPT], cwd=ROOT, check=True)


@pytest.mark.nightly
def test_its_first_part_trains_a_system_and_leaves_its_rows(tmp_path):
    shutil.rmtree(ROOT / ".gpu/tiny", ignore_errors=True)
    variables = os.environ | {"SCALE": "tiny", "OUT": str(tmp_path), "PYTHON": sys.executable}
    done = subprocess.run([SCRIPT, "reports"], cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_csv(tmp_path / "five_reports.csv")
    rows = rows[rows["setting"] == "120 images, 1 epochs"]
    assert set(rows["member"]) == {"a-resnet18"} and {"training", "out of fold", "test"} <= set(rows["rows"])
    assert (tmp_path / "session.tgz").exists()
