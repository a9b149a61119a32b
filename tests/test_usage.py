"""Every command says what it does, which version it is, and in one sentence what is wrong with its arguments."""

import runpy
import subprocess
import sys

import pytest

from tests.projects import ROOT, environment, member, task, write_params

PIPELINE = sorted(path.stem for path in (ROOT / "pipeline").glob("[!_]*.py"))
SUBMISSIONS = ["download", "ledger", "score", "upload"]
IN_ROOMS = {
    "pipeline.reporting.adversarial": "pipeline adversarial",
    "pipeline.running.repro": "pipeline repro",
    "pipeline.training.train_all": "pipeline train_all",
}
COMMANDS = [*(f"pipeline.{name}" for name in PIPELINE), *(f"submissions.{name}" for name in SUBMISSIONS), *IN_ROOMS]
KEYED = [name for name in PIPELINE if name not in ("compare", "new", "report", "roster")]
OTHER_ARGUMENTS = {
    "pipeline.ablate": ["training.epochs", "1"],
    "pipeline.explain": ["1", "a.png"],
    "pipeline.picture": ["a.png"],
    "submissions.score": ["a.csv"],
}

# Runs each command in one process, where any import of Keras or TensorFlow fails.
ASK = """
import runpy, sys

class NoKeras:
    def find_spec(self, name, path=None, target=None):
        if name in ("keras", "tensorflow"):
            raise SystemExit(f"{name} was imported")

sys.meta_path.insert(0, NoKeras())
option, *commands = sys.argv[1:]
for command in commands:
    sys.argv = [command, option]
    try:
        runpy.run_module(command, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        print("exit", command, end.code, sep="\\t")
"""


def ask(option):
    command = [sys.executable, "-c", ASK, option, *COMMANDS]
    process = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert not process.stderr
    return process.stdout


def test_help_of_every_command_has_usage_and_example_and_needs_no_keras():
    answers = ask("--help")
    for command in COMMANDS:
        answer, _, answers = answers.partition(f"exit\t{command}\t")
        assert answers.startswith(("0\n", "None\n")), command
        typed = IN_ROOMS.get(command, command)
        assert f"usage: python -m {typed}" in answer
        assert f"Example: python -m {typed}" in answer


def test_every_command_has_the_version():
    assert ask("--version").count("podium 0.") == len(COMMANDS)


def test_the_package_lists_its_stages_in_order():
    process = subprocess.run([sys.executable, "-m", "pipeline"], cwd=ROOT, capture_output=True, text=True, check=True)
    places = [process.stdout.index(f"python -m pipeline.{name}") for name in ("ingest", "split", "train", "ensemble")]
    assert places == sorted(places)
    assert all(f"python -m pipeline.{name}" in process.stdout for name in PIPELINE)
    assert all(f"python -m {typed}" in process.stdout for typed in IN_ROOMS.values())


def test_a_command_in_a_room_runs_by_its_name():
    command = [sys.executable, "-m", "pipeline", "adversarial", "--help"]
    process = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    assert process.stdout.startswith("usage: python -m pipeline adversarial TASK\n")


def run_here(monkeypatch, command, *arguments):
    """Run a command in this process and return its exit status."""
    monkeypatch.setattr(sys, "argv", [command, *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_module(command, run_name="__main__", alter_sys=True)
    return end.value.code


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize(
    "command", [*(f"pipeline.{name}" for name in KEYED), "pipeline.reporting.adversarial", "submissions.score"]
)
def test_a_wrong_key_is_one_sentence_that_names_the_right_ones(command, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, {"blobs": task("raw")}, {"blobs": member("blobs")}, replicas={"blobs": {"form": "fashion"}})
    assert run_here(monkeypatch, command, "nobody", *OTHER_ARGUMENTS.get(command, ())) == 1
    sentence = capfd.readouterr().err
    assert "error: params.yaml: " in sentence and "'nobody'; it has blobs\n" in sentence
    assert sentence.count("\n") == 1 and len(sentence) < 300


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize(
    ("command", "arguments", "expected"),
    [
        ("pipeline.split", [], "split: error: expected TASK, got none; usage: python -m pipeline.split TASK\n"),
        ("pipeline.report", ["a"], "report: error: expected no argument, got 'a'; usage: python -m pipeline.report\n"),
    ],
)
def test_a_wrong_number_of_keys_is_one_sentence(command, arguments, expected, monkeypatch, capfd):
    assert run_here(monkeypatch, command, *arguments) == 1
    assert capfd.readouterr().err == expected
