"""A fixed sample of `benchmarks/failing_writes.py`: a stage whose n-th write fails, for a few n."""

import random
from contextlib import contextmanager

import pytest

from benchmarks import tiny_project
from benchmarks.failing_writes import Stage
from tests.needs import need_program

FAULTS = {
    "roster": [],
    "replica tiny": [(6, "SHORT")],
    "ingest tiny": [(14, "ENOSPC")],
    "prepare tiny": [(50, "EIO")],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    need_program("cc", "install a C compiler, for example apt install gcc")
    folder = tmp_path_factory.mktemp("faults")
    tiny_project.make(folder / "project")
    return folder


@contextmanager
def stage_of(folder, command):
    """Yield a stage that has run once, after all earlier stages, and the number of its calls that may fail."""
    for earlier in tiny_project.STAGES[: tiny_project.STAGES.index(command)]:
        if not (folder / f"{earlier}.ended").exists():
            with stage_of(folder, earlier):
                pass
    stage = Stage(folder, command)
    yield stage, stage.prepare()
    stage.end()
    (folder / f"{command}.ended").touch()


@pytest.mark.parametrize(
    "command", [pytest.param(command, marks=pytest.mark.slow if faults else ()) for command, faults in FAULTS.items()]
)
def test_a_stage_whose_write_fails_ends_in_one_sentence_and_the_next_run_is_whole(folder, command):
    with stage_of(folder, command) as (stage, calls):
        for number, kind in FAULTS[command]:
            assert number <= calls
            row = stage.fault(number, kind)
            assert row["path"], "nothing failed"
            assert row["wrong"] == [], row
            assert row["status"] == (0 if kind == "SHORT" else 1)


@pytest.mark.nightly
@pytest.mark.parametrize("command", tiny_project.STAGES[len(FAULTS) :])
def test_a_later_stage_whose_write_fails_ends_in_one_sentence_too(folder, command):
    with stage_of(folder, command) as (stage, calls):
        row = stage.fault(random.Random(command).randint(1, calls), "EIO")
    assert row["path"], "nothing failed"
    assert row["wrong"] == [], row
