"""`python -m pipeline repro` in a repository of two short stages, after kills while DVC wrote its own files."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
import yaml

from tests.kaggle_project import hear_ctrl_c
from tests.projects import environment, member, task, write_params

STAGES = {
    "first": {"cmd": "echo 1 >> runs; cp runs first", "deps": ["source"], "outs": ["first"]},
    "second": {"cmd": "cp first second", "deps": ["first"], "outs": ["second"]},
}
MENDED = "repro: dvc.lock was damaged, as by a kill, and is again as the last run left it\n"
DELETED = (
    "repro: dvc.lock was damaged, as by a kill, and has been deleted; finished stages are taken from DVC's cache\n"
)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A repository in which all stages have run, with the copy that `repro` writes."""
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["dvc", "init", "--no-scm", "--quiet"], cwd=root, env=environment(), check=True)
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    (root / "source").write_text("x")
    (root / "raw").mkdir()
    write_params(root, {"t": task("raw")}, {"m": member("t")})
    assert repro(root)[0] == 0
    return root


@pytest.fixture
def repository(template, tmp_path):
    """A copy of the template that a test may change."""
    return shutil.copytree(template, tmp_path / "repository", symlinks=True)


def command(*arguments):
    return [sys.executable, "-m", "pipeline", "repro", *arguments]


def repro(root, *arguments):
    process = subprocess.run(command(*arguments), cwd=root, env=environment(), capture_output=True, text=True)
    return process.returncode, process.stderr, process.stdout


@pytest.mark.parametrize(
    ("keep", "copy"),
    [
        (0, "sound"),
        pytest.param(40, "sound", marks=pytest.mark.nightly),
        pytest.param(0, "absent", marks=pytest.mark.slow),
        pytest.param(0, "empty", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_lock_file_is_mended_and_nothing_runs_again(repository, keep, copy):
    lock = repository / "dvc.lock"
    whole = lock.read_bytes()
    lock.write_bytes(whole[:keep])
    if copy == "absent":
        (repository / ".dvc/tmp/dvc.lock.copy").unlink()
    elif copy == "empty":
        (repository / ".dvc/tmp/dvc.lock.copy").write_bytes(b"")
    status, printed, _ = repro(repository)
    assert (status, printed) == (0, MENDED if copy == "sound" else DELETED)
    assert yaml.safe_load(lock.read_bytes()) == yaml.safe_load(whole)
    assert (repository / "runs").read_text() == "1\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        '{"read": {"/x": [{"pid": 1',
        *(pytest.param(x, marks=pytest.mark.nightly) for x in ("", '{"read": 5}', "[" * 100_000)),
    ],
)
def test_a_damaged_rwlock_is_deleted(repository, content):
    (repository / ".dvc/tmp/rwlock").write_text(content)
    printed = "repro: .dvc/tmp/rwlock was damaged, as by a kill, and has been deleted\n"
    assert repro(repository)[:2] == (0, printed)


@pytest.mark.slow
def test_a_folder_in_place_of_the_lock_file_is_one_sentence(repository):
    (repository / "dvc.lock").unlink()
    (repository / "dvc.lock").mkdir()
    assert repro(repository) == (1, "repro: error: dvc.lock: is a directory\n", "")


@pytest.mark.slow
def test_a_missing_folder_of_raw_files_is_one_line_with_what_to_do(repository):
    (repository / "raw").rmdir()
    sentence = "raw: no such folder, expected the raw files of tasks.t; put them there, or download them with"
    assert f"repro: warning: {sentence} python -m submissions.download t\n" in repro(repository)[1]


def test_targets_and_the_exit_status_are_passed_on(repository):
    (repository / "source").write_text("y")
    assert repro(repository, "--single-item", "first")[:2] == (0, "")
    assert (repository / "runs").read_text() == "1\n1\n"
    status, printed, _ = repro(repository, "third")
    assert status == 255
    assert "third" in printed


@pytest.mark.parametrize("text", ["tasks: {t: 1}", pytest.param("\x00", marks=pytest.mark.slow)])
def test_a_fault_in_params_is_one_sentence_before_dvc_starts(repository, text):
    (repository / "params.yaml").write_text(text)
    status, errors, output = repro(repository)
    assert (status, output) == (1, "")
    assert errors.startswith("repro: error: params.yaml") and errors.count("\n") == 1


@pytest.mark.slow
def test_a_failed_run_keeps_what_finished(repository):
    changed = STAGES | {"second": STAGES["second"] | {"cmd": "false"}}
    (repository / "dvc.yaml").write_text(yaml.safe_dump({"stages": changed}))
    (repository / "source").write_text("y")
    assert repro(repository)[0] == 255
    (repository / "dvc.lock").write_bytes(b"")
    assert MENDED in repro(repository, "first")[1]
    assert (repository / "runs").read_text() == "1\n1\n"


@pytest.mark.slow
def test_ctrl_c_reaches_the_stage_and_dvc(repository):
    changed = STAGES | {"second": STAGES["second"] | {"cmd": "echo started; sleep 60"}}
    (repository / "dvc.yaml").write_text(yaml.safe_dump({"stages": changed}))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    session = {"start_new_session": True, "preexec_fn": hear_ctrl_c}
    process = subprocess.Popen(command(), cwd=repository, env=environment(), **pipes, **session)
    while process.stdout.readline() != "started\n":  # DVC prints the command first
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, printed = process.communicate(timeout=30)
    assert process.returncode not in (0, None)
    assert "Traceback" not in printed
