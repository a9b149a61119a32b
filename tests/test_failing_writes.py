"""A fixed sample of `benchmarks/failing_writes.py`: a stage whose n-th write fails, for a few n."""

import shutil

import pytest

from benchmarks import tiny_project
from benchmarks.failing_writes import Stage

FAULTS = {
    "roster": [],
    "replica tiny": [(6, "SHORT")],
    "ingest tiny": [(14, "ENOSPC")],
    "prepare tiny": [(50, "EIO")],
}

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    tiny_project.make(folder / "project")
    return folder


@pytest.mark.parametrize("command", FAULTS)
def test_a_stage_whose_write_fails_ends_in_one_sentence_and_the_next_run_is_whole(folder, command):
    stage = Stage(folder, command)
    calls = stage.prepare()
    for number, kind in FAULTS[command]:
        assert number <= calls
        row = stage.fault(number, kind)
        assert row["path"], "nothing failed"
        assert row["wrong"] == [], row
        assert row["status"] == (0 if kind == "SHORT" else 1)
    stage.end()
