"""Make's environment: one of the user's own is used as it is or refused, one that is absent is created."""

import os
import subprocess
import sys

import pytest

from tests.projects import ROOT


def make(venv, python="python3", programs=None):
    """Run `make environment`, with the programs of a folder before all others."""
    command = ["make", "environment", f"VENV={venv}", f"PYTHON={python}"]
    # as if make did not run the tests
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment["PATH"] = os.pathsep.join([*([str(programs)] if programs else []), environment["PATH"]])
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True
    )  # as if make did not run it


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_an_environment_that_has_everything_is_used_as_it_is(tmp_path):
    program(tmp_path / "mine/bin/python", f'exec {sys.executable} "$@"')
    result = make(tmp_path / "mine")
    assert result.returncode == 0, result.stderr
    assert [path.name for path in (tmp_path / "mine").rglob("*")] == ["bin", "python"]


def test_an_environment_that_lacks_packages_is_refused_and_left_alone(tmp_path):
    program(tmp_path / "mine/bin/python", f'exec {sys.executable} -S "$@"')
    result = make(tmp_path / "mine")
    assert result.returncode != 0 and result.stdout == ""
    assert result.stderr.startswith(f"make: error: {tmp_path}/mine lacks ") and " dvc, filelock, " in result.stderr
    assert [path.name for path in (tmp_path / "mine").rglob("*")] == ["bin", "python"]


def test_a_folder_that_is_no_environment_is_refused(tmp_path):
    result = make(tmp_path)
    assert result.returncode != 0 and f"make: error: {tmp_path} is not an environment" in result.stderr


@pytest.mark.parametrize("version", ["3.10", "3.14", "2.7"])
def test_a_python_without_tensorflow_is_refused(tmp_path, version):
    python = program(tmp_path / "python", f"echo {version}")
    result = make(tmp_path / "new", python)
    assert result.returncode != 0 and not (tmp_path / "new").exists()
    assert f"make: error: {python} is Python {version}, expected 3.11 to 3.13" in result.stderr


@pytest.fixture
def python(tmp_path):
    """A Python whose environments log the installs instead of doing them, and fail while `offline` exists."""
    pip = program(tmp_path / "pip", f'echo "$@" >> {tmp_path}/log; test ! -e {tmp_path}/offline')
    return program(
        tmp_path / "python", f'test "$1" = -c && echo 3.12 && exit\nmkdir -p "$3/bin" && cp {pip} "$3/bin/python"'
    )


def installs(folder):
    return [line for line in (folder / "log").read_text().splitlines() if "install" in line]


def test_an_absent_environment_is_created_and_an_interrupted_one_completed(tmp_path, python):
    (tmp_path / "offline").touch()
    assert make(tmp_path / "new", python).returncode != 0
    (tmp_path / "offline").unlink()
    for _ in range(2):
        result = make(tmp_path / "new", python)
        assert result.returncode == 0, result.stderr
    assert installs(tmp_path) == [
        *["-m pip install --quiet --editable .[test] --constraint requirements.lock"],
        *["-m pip install --quiet --editable .[test]"],
        *["-m pip install --quiet --editable .[test] --constraint requirements.lock"],
    ]


@pytest.mark.parametrize(
    ("listed", "system", "has_extra"),
    [
        ("GPU 0: NVIDIA H200 (UUID: GPU-5)", "Linux x86_64", True),
        ("GPU 0: NVIDIA H200 (UUID: GPU-5)", "Linux aarch64", False),
        ("No devices found.", "Linux x86_64", False),
    ],
)
def test_a_gpu_that_comes_later_adds_the_extra_once(tmp_path, python, listed, system, has_extra):
    assert make(tmp_path / "new", python).returncode == 0
    program(tmp_path / "programs/nvidia-smi", f"test $1 = -L && echo '{listed}'")
    program(tmp_path / "programs/uname", f"echo {system}")
    for _ in range(2):
        assert make(tmp_path / "new", python, tmp_path / "programs").returncode == 0
    added = ["-m pip install --quiet --editable .[test,gpu] --constraint requirements.lock"] if has_extra else []
    assert installs(tmp_path)[1:] == added
