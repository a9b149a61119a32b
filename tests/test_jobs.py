import os
import sys

import pytest

from pipeline.running.clock import clock
from pipeline.running.jobs import engine, environments, one_at_a_time, parallel_jobs, run_jobs, uses_dask
from pipeline.storage.files import BadInput
from tests import fake_jobs


@pytest.fixture(autouse=True)
def on_a_cpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for name in ("JOBS", "FOLDS_AT_ONCE", "DASK_SCHEDULER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)


def test_by_default_jobs_run_here_one_after_the_other_without_dask():
    loaded = "distributed" in sys.modules
    assert [job[:2] for job in run_jobs(fake_jobs.facts, [3, 1, 2])] == [(job, os.getpid()) for job in (3, 1, 2)]
    assert ("distributed" in sys.modules) == loaded


def test_the_first_error_ends_the_jobs():
    with pytest.raises(BadInput, match=r"^the loss is nan$"):
        run_jobs(fake_jobs.fail, ["refused", "killed"])


def test_a_watcher_stops_a_job_after_an_epoch(tmp_path):
    seen = []
    with engine(1) as here:
        task = here.submit(fake_jobs.run_epochs, (tmp_path / "a", 5), lambda row: seen.append(row) or len(seen) < 2)
        assert here.ended(1) == [task]
    assert task.is_stopped and task.value is None and task.error is None
    assert [row["epoch"] for row in seen] == [1, 2]
    assert (tmp_path / "a.stopped").exists()


@pytest.mark.parametrize(
    ("gpus", "jobs", "expected"),
    [
        ("4,6", None, [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in ("4", "6")]),
        ("0", "2", [{"CUDA_VISIBLE_DEVICES": "0", "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.450"}] * 2),
        ("", "4", [{"TF_NUM_INTRAOP_THREADS": "2", "OMP_NUM_THREADS": "2"}] * 4),
    ],
)
def test_processes_get_the_gpus_in_turn_or_share_the_threads(monkeypatch, gpus, jobs, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    if jobs:
        monkeypatch.setenv("JOBS", jobs)
    assert environments(parallel_jobs()) == expected
    assert uses_dask(2)
    assert not uses_dask(1), "one job needs no other process"


def test_jobs_that_take_all_gpus_run_here_one_after_the_other(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    monkeypatch.setenv("JOBS", "2")
    one_at_a_time()
    assert not uses_dask(3)


@pytest.mark.parametrize("value", ["0", "-1", "two"])
def test_jobs_is_a_number(monkeypatch, value):
    monkeypatch.setenv("JOBS", value)
    with pytest.raises(BadInput, match=r"JOBS is .* in the environment, expected a whole number from 1"):
        run_jobs(fake_jobs.facts, [1, 2])


def test_the_old_name_of_jobs_is_understood_with_one_line(monkeypatch, capsys):
    monkeypatch.setenv("JOBS", "")  # which pytest removes again
    monkeypatch.setenv("FOLDS_AT_ONCE", "3")
    assert parallel_jobs() == parallel_jobs() == 3
    line = "warning: FOLDS_AT_ONCE is now the environment variable JOBS; set JOBS=3\n"
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (59.6, "1m00s"), (185, "3m05s"), (7620, "2h07m")])
def test_durations_read_well(seconds, text):
    assert clock(seconds) == text
