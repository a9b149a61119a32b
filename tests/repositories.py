"""Commands of git and DVC in a repository of a test, and changes of its `params.yaml`."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.projects import environment

NAMES = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}


def repository_environment() -> dict[str, str]:
    """Return an environment in which commands find this interpreter's scripts, and the code of the repository alone."""
    inherited = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    return inherited | NAMES | {"COLUMNS": "200"}


def run(root: Path, *command: str, check: bool = True) -> str:
    """Run a command in a repository and return its output, with its errors if it may fail.

    Raises:
        AssertionError: the command failed, and `check` is true.
    """
    process = subprocess.run(command, cwd=root, env=repository_environment(), capture_output=True, text=True)
    assert not check or process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
    return process.stdout if check else process.stdout + process.stderr


def commit(root: Path, message: str) -> None:
    """Commit all files."""
    run(root, "git", "add", "--all")
    run(root, "git", "commit", "--quiet", "--message", message)


def edit(root: Path, change: Callable[[dict], object]) -> None:
    """Change the tree of `params.yaml`."""
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text())
    change(params)
    path.write_text(yaml.safe_dump(params, sort_keys=False))


def ran(output: str) -> set[str]:
    """Return the stages that `dvc repro` ran, by what it printed."""
    return set(re.findall(r"Running stage '([^']+)'", output))
