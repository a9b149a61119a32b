"""The progress of a stage: the time left for all of its jobs, on a terminal and in a log file."""

import io
import re
import sys
from types import SimpleNamespace

import pytest

from pipeline.running import progress as module
from pipeline.running.jobs import turns
from pipeline.running.progress import ALONE, LINE_COLUMNS, Progress, Turn, fold_figures

ROW = {"epoch": 1, "learning_rate": 1e-3, "loss": 1.23456, "accuracy": 0.5, "val_loss": 2.5, "val_accuracy": 0.25}


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock.now)
    return clock


def run_epochs(progress, clock, epochs, steps=4, first_step_seconds=0.0):
    """Let epochs of `steps` seconds pass. The very first step takes more."""
    for epoch in epochs:
        progress.epoch_begins(epoch, steps)
        for step in range(steps):
            clock.now += 1 + (first_step_seconds if epoch == step == 0 else 0)
            progress.steps_done(step + 1)
        clock.now += 1  # validation
        progress.epoch_ends("loss 1")


def test_the_time_left_is_that_of_all_folds_without_the_compilation(clock, capsys):
    with Progress("m  fold 1/2", 3, Turn(0, 2, "m: 2 models of 3 epochs")) as progress:
        run_epochs(progress, clock, range(3), first_step_seconds=20)
    with Progress("m  fold 2/2", 3, Turn(1, 2)) as progress:
        run_epochs(progress, clock, range(3), first_step_seconds=20)
    lines = capsys.readouterr().out.splitlines()
    # After four of four steps: two epochs of 4 s, and a second fold with a first step of 21 s and three epochs of 4 s.
    assert lines[0] == "m: 2 models of 3 epochs, about 41s left"
    left = [line.rpartition("  ")[2] for line in lines[1:]]
    # An epoch has 5 s: two are left, and a fold of three with a first step of 20 s more.
    assert left[1:3] == ["40s left", "35s left"]
    assert left[4:] == ["5s left", "0s left"]
    assert [line.partition("  loss")[0] for line in lines[1:]] == [
        f"fold {fold}/2  epoch {epoch}/3" for fold in (1, 2) for epoch in (1, 2, 3)
    ]


def test_a_program_that_reports_only_whole_epochs_has_an_estimate_before_its_first_line(clock, capsys):
    with Progress("m  fold 1/1", 4, Turn(0, 1, "m: 1 model")) as progress:
        progress.epoch_begins(0, 50)
        clock.now += 10
        progress.steps_done(50)
        progress.epoch_ends("loss 1")
    assert capsys.readouterr().out.splitlines() == [
        "m: 1 model, about 30s left",
        "fold 1/1  epoch 1/4  loss 1  30s left",
    ]


def test_a_resumed_fold_counts_the_epochs_that_are_left(clock, capsys):
    with Progress("m  fold 2/2", 10, Turn(1, 2)) as progress:
        run_epochs(progress, clock, [8, 9])
    assert [line.rpartition("  ")[2] for line in capsys.readouterr().out.splitlines()] == ["4s left", "0s left"]


@pytest.mark.parametrize("metric", ["", "mean_average_precision"])
@pytest.mark.parametrize("title", ["m  fold 1/3", f"m  {'a' * 200}"])
def test_a_line_has_at_most_100_columns(capsys, title, metric):
    row = ROW | ({f"val_{metric}": 0.75} if metric else {})
    with Progress(title, 1000, ALONE) as progress:
        progress.epoch_begins(0, 10)
        progress.steps_done(10)
        progress.epoch_ends(fold_figures(row, is_best=True))
    (line,) = capsys.readouterr().out.splitlines()
    assert len(line) <= LINE_COLUMNS
    score = f"{metric}  val 0.7500 *" if metric else "accuracy 0.5000  val 0.2500 *"
    assert re.search(rf"epoch    1/1000  loss 1.2346  val 2.5000  {re.escape(score)}  \d+s left$", line)


def test_a_terminal_has_a_bar_of_the_whole_stage_and_a_log_file_has_none(clock, capsys, monkeypatch):
    errors = {}
    for is_terminal in (True, False):
        errors[is_terminal] = io.StringIO()
        errors[is_terminal].isatty = lambda is_terminal=is_terminal: is_terminal
        monkeypatch.setattr(sys, "stderr", errors[is_terminal])
        with Progress("m  fold 2/4", 2, Turn(1, 4)) as progress:
            run_epochs(progress, clock, range(2))
    shown = errors[True].getvalue()
    assert re.search(r"\rfold 2/4  epoch 2/2  \d+s left +\d+%\|", shown)
    shares = [int(share) for share in re.findall(r"(\d+)%", shown)]
    assert shares[0] == 25 and shares == sorted(shares) and shares[-1] <= 50
    assert errors[False].getvalue() == ""
    assert "\r" not in capsys.readouterr().out


def test_the_first_step_which_compiles_is_no_estimate(clock, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Progress("m  fold 1/1", 1, Turn(0, 1)) as progress:
        progress.epoch_begins(0, 10)
        clock.now += 600
        progress.steps_done(1)
        assert progress.bar.desc == "fold 1/1  epoch 1/1"
        clock.now += 1
        progress.steps_done(2)
        assert progress.bar.desc == "fold 1/1  epoch 1/1  8s left"


def test_folds_at_once_share_a_turn(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("JOBS", "2")
    assert turns(["a", "b", "c"], "work", later_jobs=1) == {"a": Turn(0, 3, "work"), "b": Turn(0, 3), "c": Turn(1, 3)}
    monkeypatch.delenv("JOBS")
    assert list(turns(["a", "b"], "work").values()) == [Turn(0, 2, "work"), Turn(1, 2)]
    assert turns([], "work") == {}
