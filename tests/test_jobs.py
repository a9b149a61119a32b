import os

import pytest

from pipeline.clock import clock
from pipeline.jobs import run_jobs, visible_gpus


def where(job):
    return job, os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES")


def test_without_gpus_jobs_run_here_one_after_the_other(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert run_jobs(where, [3, 1, 2]) == [(job, os.getpid(), "") for job in (3, 1, 2)]


def test_several_gpus_get_a_process_each(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    done = run_jobs(where, list(range(5)))
    assert [job for job, _, _ in done] == list(range(5))
    assert [device for _, _, device in done] == ["4", "6", "4", "6", "4"]
    assert len({process for _, process, _ in done} - {os.getpid()}) == 2


@pytest.mark.parametrize(("value", "gpus"), [("", []), ("-1", []), ("0", ["0"]), ("GPU-a,GPU-b", ["GPU-a", "GPU-b"])])
def test_gpus_are_those_that_cuda_shows(monkeypatch, value, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert visible_gpus() == gpus


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (59.6, "1m00s"), (185, "3m05s"), (7620, "2h07m")])
def test_durations_read_well(seconds, text):
    assert clock(seconds) == text
