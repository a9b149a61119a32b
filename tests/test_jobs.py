import os

import psutil
import pytest

from pipeline.running.clock import clock
from pipeline.running.jobs import run_jobs
from pipeline.running.workers import visible_gpus
from pipeline.storage.files import BadInput
from tests import fake_jobs


@pytest.fixture(autouse=True)
def on_a_cpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("FOLDS_AT_ONCE", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)


def test_without_gpus_jobs_run_here_one_after_the_other():
    assert run_jobs(fake_jobs.worker_facts, [3, 1, 2]) == [(job, os.getpid(), "", None) for job in (3, 1, 2)]


def test_several_gpus_get_a_process_each(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    facts = run_jobs(fake_jobs.worker_facts, list(range(4)))
    assert [job for job, *_ in facts] == list(range(4))
    assert [device for _, _, device, _ in facts] == ["4", "6", "4", "6"]
    assert len({process for _, process, *_ in facts} - {os.getpid()}) == 4


def test_folds_at_once_share_the_threads_of_a_cpu_and_the_last_one_has_them_all(monkeypatch):
    monkeypatch.setenv("FOLDS_AT_ONCE", "2")
    facts = run_jobs(fake_jobs.worker_facts, list(range(3)))
    assert [job for job, *_ in facts] == list(range(3))
    assert [threads for *_, threads in facts] == ["4", "4", None]
    assert [process == os.getpid() for _, process, *_ in facts] == [False, False, True]


def test_folds_at_once_are_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("FOLDS_AT_ONCE", "5")
    assert run_jobs(fake_jobs.count_workers, [tmp_path, tmp_path]) == [2, 2]


@pytest.mark.parametrize(
    ("way", "kind", "text"),
    [
        ("refused", BadInput, "^the loss is nan$"),
        ("killed", BadInput, "^a fold failed: its process was ended by SIGKILL, perhaps because memory ran out$"),
        ("bug", RuntimeError, r"(?s)Traceback.*fake_jobs\.py.*ValueError: a bug"),
    ],
)
def test_the_first_failure_is_told_and_ends_the_others(monkeypatch, tmp_path, way, kind, text):
    monkeypatch.setenv("FOLDS_AT_ONCE", "2")
    pid_file = tmp_path / "process"
    with pytest.raises(kind, match=text):
        run_jobs(fake_jobs.fail, [(None, pid_file), (way, pid_file)])
    assert not psutil.pid_exists(int(pid_file.read_text()))


@pytest.mark.parametrize("value", ["0", "-1", "two"])
def test_folds_at_once_is_a_number(monkeypatch, value):
    monkeypatch.setenv("FOLDS_AT_ONCE", value)
    with pytest.raises(BadInput, match=r"FOLDS_AT_ONCE is .* expected a whole number from 1"):
        run_jobs(fake_jobs.worker_facts, [1, 2])


@pytest.mark.parametrize(("value", "gpus"), [("", []), ("-1", []), ("0", ["0"]), ("GPU-a,GPU-b", ["GPU-a", "GPU-b"])])
def test_gpus_are_those_that_cuda_shows(monkeypatch, value, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert visible_gpus() == gpus


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (59.6, "1m00s"), (185, "3m05s"), (7620, "2h07m")])
def test_durations_read_well(seconds, text):
    assert clock(seconds) == text
