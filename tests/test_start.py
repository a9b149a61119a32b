"""How commands start: Ctrl-C, a dvc that is gone and too little memory before and while they import."""

import os
import resource
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from pipeline.running.stage import one_sentence
from pipeline.storage import paths
from tests.kaggle_project import hear_ctrl_c
from tests.projects import ROOT, environment, member, task, write_blobs, write_params

SLOW = """
    import sys, time

    class Slow:
        def find_spec(self, name, path=None, target=None):
            if name == "pandas":
                print("importing", flush=True)
                time.sleep(60)

    sys.meta_path.insert(0, Slow())
"""
COMMANDS = (("pipeline.split", "t"), ("submissions.ledger",))


def start(*command, folder, **options):
    """Start a command of whose interpreter `folder` is told to customise the start."""
    env = environment() | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"} | options.pop("env", {})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *command], cwd=ROOT, env=env, **pipes, **options)


@pytest.fixture
def slow(tmp_path):
    """A folder that makes the import of pandas last for a minute."""
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(SLOW))
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_ctrl_c_during_the_imports_is_one_line(slow, command):
    process = start("-m", *command, folder=slow, preexec_fn=hear_ctrl_c)
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    name = command[0].partition(".")[2]
    assert process.communicate(timeout=20) == ("", f"{name}: interrupted; the same command may be run again\n")
    assert process.returncode == 130


def test_ctrl_c_in_a_finaliser_is_repeated(tmp_path):
    code = """
        import sys, time
        from pipeline.running.stage import one_sentence
        from pipeline.running.start import begin

        class Finalised:
            def __del__(self):
                raise KeyboardInterrupt

        begin()
        with one_sentence("split"):
            Finalised()
            time.sleep(60)
    """
    process = start("-c", textwrap.dedent(code), folder=tmp_path, preexec_fn=hear_ctrl_c)
    assert process.communicate(timeout=20) == ("", "split: interrupted; the same command may be run again\n")
    assert process.returncode == 130


def test_a_command_in_the_background_goes_on_after_ctrl_c(slow):
    ignore = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    process = start("-m", "pipeline.split", "t", folder=slow, **ignore)
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.kill()
    process.communicate()


def test_a_stage_that_imports_ends_with_its_dvc(slow):
    code = """
        import subprocess, sys, time
        stage = subprocess.Popen([sys.executable, "-m", "pipeline.split", "t"])
        time.sleep(60)
    """
    process = start("-c", textwrap.dedent(code), folder=slow, env={"DVC_STAGE": "split@t"})
    assert process.stdout.readline() == "importing\n"
    process.kill()
    process.communicate(timeout=10)  # ends when the stage, which has the same pipes, has ended too


@pytest.mark.parametrize("package", ["pipeline", "submissions"])
def test_importing_the_package_changes_nothing(slow, package):
    code = f"""
        import signal, sys, warnings
        before = signal.getsignal(signal.SIGINT), sys.excepthook, list(warnings.filters)
        import {package}
        assert before == (signal.getsignal(signal.SIGINT), sys.excepthook, list(warnings.filters))
        assert not [name for name in sys.modules if name.startswith("pipeline.")]
    """
    process = start("-c", textwrap.dedent(code), folder=slow)
    assert process.communicate(timeout=20) == ("", "")


@pytest.mark.parametrize(("stage", "gib", "least_gib"), [("replica", 0.2, 1), ("replica", 0.3, 1), ("train", 1.5, 3)])
def test_too_little_address_space_is_one_sentence(tmp_path, stage, gib, least_gib):
    limits = [int(gib * 2**30)] * 2
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, limits)}
    process = start("-m", f"pipeline.{stage}", "fashion", folder=tmp_path, **limit)
    sentence = f"the address space is limited to {gib:.2f} GiB, expected at least {least_gib} GiB; raise `ulimit -v`"
    assert process.communicate(timeout=20) == ("", f"{stage}: error: {sentence}\n")
    assert process.returncode == 1


def test_a_library_without_memory_and_a_missing_one_are_one_sentence(tmp_path):
    for error, sentence in {
        'ImportError("x.so: failed to map segment from shared object")': "out of memory while libraries were loaded",
        "MemoryError()": "out of memory while libraries were loaded",
        'ModuleNotFoundError("No module named \'pandas\'", name="pandas")': "the package pandas is not installed in",
    }.items():
        fake = f"import sys\nclass F:\n def find_spec(self, n, p=None, t=None):\n  if n == 'pandas': raise {error}\n"
        (tmp_path / "sitecustomize.py").write_text(f"{fake}sys.meta_path.insert(0, F())\n")
        process = start("-B", "-m", "pipeline.split", "t", folder=tmp_path)
        _, printed = process.communicate(timeout=20)
        assert printed.startswith(f"split: error: {sentence}")
        assert printed.count("\n") == 1
        assert process.returncode == 1


class ResourceExhaustedError(Exception):
    """Stands for TensorFlow's error of this name."""


@pytest.mark.parametrize("error", [ResourceExhaustedError("OOM"), RuntimeError("RESOURCE_EXHAUSTED: Out of memory")])
def test_a_full_device_is_one_sentence(capsys, error):
    with pytest.raises(SystemExit), one_sentence("train"):
        raise error
    sentence = "out of memory on the device; use a smaller batch_size or a smaller network"
    assert capsys.readouterr().err == f"train: error: {sentence}\n"


def test_a_bug_still_shows_its_traceback(tmp_path):
    fake = "import sys\nclass F:\n def find_spec(self, n, p=None, t=None):\n  if n == 'pandas': raise KeyError(n)\n"
    (tmp_path / "sitecustomize.py").write_text(f"{fake}sys.meta_path.insert(0, F())\n")
    _, printed = start("-m", "pipeline.split", "t", folder=tmp_path).communicate(timeout=20)
    assert "Traceback" in printed


def test_a_library_warning_does_not_make_three_lines_of_one(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import warnings\nimport sys\nclass F:\n def find_spec(self, n, p=None, t=None):\n"
        "  if n == 'pandas': warnings.warn('a remark'); raise MemoryError\nsys.meta_path.insert(0, F())\n"
    )
    for option in ((), ("-W", "default")):
        _, printed = start(*option, "-m", "pipeline.split", "t", folder=tmp_path).communicate(timeout=20)
        assert (printed.count("\n") == 1) == (not option), printed


HOLDER = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_run_of_a_stage_waits_for_the_first_even_if_that_is_killed(tmp_path):
    write_blobs(tmp_path / "raw")
    write_params(tmp_path, {"blobs": task("raw")}, {"m": member("blobs")})
    lock = tmp_path / paths.lock("ingest", "blobs")
    lock.parent.mkdir(parents=True)
    pipes = {"cwd": tmp_path, "env": environment(), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], **pipes)
    assert holder.stdout.readline() == "held\n"
    both = [subprocess.Popen([sys.executable, "-m", "pipeline.ingest", "blobs"], **pipes) for _ in range(2)]
    waits = "ingest blobs: waits until another run of the same command has ended\n"
    assert [process.stderr.readline() for process in both] == [waits, waits]
    holder.kill()
    assert [process.communicate(timeout=60)[1] for process in both] == ["", ""]
    assert [process.returncode for process in both] == [0, 0]
    assert (tmp_path / paths.arrays("blobs") / "about.json").exists()
    holder.communicate()
