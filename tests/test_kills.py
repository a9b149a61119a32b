"""A fixed sample of `benchmarks/kills.py`: a run that is killed a few times."""

import random

import pytest

from benchmarks.kills import repeated_epochs, run_killed_round, undisturbed_run
from pipeline.running.progress import Progress, Turn


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


def test_an_epoch_is_repeated_if_its_stage_prints_it_again(capsys):
    for member, epochs in (("a", (1, 2)), ("b", (1, 2)), ("b", (2, 3))):
        print(f"Running stage 'train@{member}':")
        for epoch in epochs:
            with Progress("b  fold 1/2", 3, Turn()) as progress:
                progress.epoch_begins(epoch - 1, 4)
                progress.steps_done(4)
                progress.epoch_ends("loss 1.0")
    assert repeated_epochs(capsys.readouterr().out) == ["train@b"]
