"""A fixed sample of `benchmarks/kills.py`: a run that is killed a few times."""

import random

import pytest

from benchmarks.kills import run_killed_round, undisturbed_run


@pytest.mark.parametrize(
    ("target", "stages"),
    [
        pytest.param("ingest@tiny", ["ingest@tiny"], marks=pytest.mark.slow),
        pytest.param("", ["generate@tiny", "tune@tiny-tuned", "train@tiny-tuned", "report"], marks=pytest.mark.nightly),
    ],
)
def test_a_killed_run_ends_with_the_files_of_an_undisturbed_one(tmp_path, target, stages):
    reference = undisturbed_run(tmp_path, target)
    rows = run_killed_round(tmp_path, 0, reference, random.Random(0), stages, target)
    assert rows
    assert [row["wrong"] for row in rows] == [[]] * len(rows)
