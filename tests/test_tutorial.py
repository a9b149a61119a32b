"""The tutorial does what it says: its own blocks take a competition from raw files to a graded submission."""

import json
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from tests.projects import ROOT, environment

PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
PROJECT = ("pipeline", "features", "models", "submissions", "dvc.yaml", ".dvcignore", ".gitignore")


def block(kind, number=0):
    """Return one of the page's fenced blocks of a kind."""
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[number]


def run(folder, *command):
    process = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout[-2000:] + process.stderr[-2000:]
    return process.stdout


@pytest.mark.nightly
def test_the_tutorial_ends_with_a_graded_submission(tmp_path):
    for name in PROJECT:
        source = ROOT / name
        shutil.copytree(source, tmp_path / name) if source.is_dir() else shutil.copy(source, tmp_path / name)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    run(tmp_path, sys.executable, "-c", block("python"))
    (tmp_path / "params.yaml").write_text(block("yaml"))
    run(tmp_path, "dvc", "repro")
    submission = pd.read_csv(tmp_path / "submissions" / "shapes.csv")
    assert list(submission.columns) == ["id", "label"]
    assert set(submission["label"]) == {"round", "straight"}
    assert json.loads((tmp_path / "artifacts/shapes/score.json").read_text())["all"]["score"] > 0.9
    assert "shapes-resnet" in (tmp_path / "report" / "summary.md").read_text()
    assert "private" in run(tmp_path, sys.executable, "-m", "submissions.score", "shapes", "submissions/shapes.csv")
