"""Jobs on a Dask cluster of this machine's processes, which are real and are killed here."""

import logging
import os
import random
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from distributed import Scheduler, SpecCluster

from pipeline.running import cluster, jobs, remote_job, schedulers
from pipeline.running.jobs import EngineFailed, run_jobs
from pipeline.running.schedulers import local_cluster, remote_cluster
from pipeline.storage.files import BadInput
from tests import fake_jobs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pool(folder):
    """Two processes, which all tests share. They are started again even if the test has an engine of its own."""
    is_over = threading.Event()

    def restart_workers() -> None:
        while not is_over.wait(0.5):
            started.restart_workers()

    with local_cluster([{"XDG_CACHE_HOME": str(folder)}] * 2) as started:
        thread = threading.Thread(target=restart_workers)
        thread.start()
        yield started
        is_over.set()
        thread.join()


@pytest.fixture
def address(pool, tmp_path, monkeypatch):
    """The address of the scheduler, set as DASK_SCHEDULER."""
    monkeypatch.chdir(tmp_path)
    address = pool.client.scheduler.address
    monkeypatch.setenv("DASK_SCHEDULER", address)
    end = time.monotonic() + 60
    while len(pool.client.nthreads()) < 2 and time.monotonic() < end:  # after a kill
        time.sleep(0.1)
    return address


def test_jobs_run_in_other_processes_in_their_order_and_their_lines_appear_here(address, capsys):
    results = run_jobs(fake_jobs.facts, [3, 1, 2])
    assert [job for job, *_ in results] == [3, 1, 2]
    assert os.getpid() not in [process for _, process, *_ in results]
    assert sorted(capsys.readouterr().out.splitlines()) == ["a line of 1", "a line of 2", "a line of 3"]


def test_only_this_machine_reaches_the_processes(pool):
    addresses = [pool.client.scheduler.address, *pool.client.nthreads()]
    assert {address.rpartition(":")[0] for address in addresses} == {"tcp://127.0.0.1"}
    sockets = [c for p in processes(pool) for c in p.net_connections() if c.status == psutil.CONN_LISTEN]
    assert {connection.laddr.ip for connection in sockets} <= {"127.0.0.1"}


def processes(pool):
    return [psutil.Process(pid) for pid in pool.client.run(os.getpid).values()]


@pytest.mark.parametrize(
    ("kind", "error", "text"), [("refused", BadInput, "^the loss is nan$"), ("bug", ValueError, "a bug")]
)
def test_an_error_of_a_job_ends_the_jobs(address, kind, error, text):
    with pytest.raises(error, match=text):
        run_jobs(fake_jobs.fail, [kind])


def test_a_job_whose_workers_die_continues_elsewhere_as_often_as_it_makes_progress(pool, address, tmp_path):
    epochs, killed = 8, 0
    path = tmp_path / "epochs"

    def kill() -> None:
        nonlocal killed
        while killed < 5:  # Dask gives a task up after four
            before = len(path.read_text().splitlines()) if path.exists() else 0
            while not path.exists() or len(path.read_text().splitlines()) <= before:
                time.sleep(0.01)
            psutil.Process(int(path.read_text().split()[-1])).kill()
            killed += 1

    thread = threading.Thread(target=kill)
    thread.start()
    assert run_jobs(fake_jobs.run_epochs, [(path, epochs)]) == [epochs]
    thread.join()
    lines = [int(line.split()[0]) for line in path.read_text().splitlines()]
    assert sorted(set(lines)) == list(range(1, epochs + 1)) and len(lines) <= epochs + killed
    assert killed == 5


def test_a_job_that_kills_each_worker_is_one_sentence(address):
    with pytest.raises(BadInput, match=r"fail-\w+: 4 workers died before the end of an epoch, perhaps because memory"):
        run_jobs(fake_jobs.fail, ["killed"])


def test_a_job_stops_after_its_epoch_when_its_watcher_or_its_run_ends(address, tmp_path):
    with remote_cluster(address) as engine:
        watched = engine.submit(fake_jobs.run_epochs, (tmp_path / "watched", 100), lambda row: row["epoch"] < 2)
        engine.submit(fake_jobs.run_epochs, (tmp_path / "abandoned", 100))
        assert engine.ended(30) == [watched]
        assert watched.is_stopped
    end = time.monotonic() + 10
    stopped = [tmp_path / "watched.stopped", tmp_path / "abandoned.stopped"]
    while not all(path.exists() for path in stopped) and time.monotonic() < end:
        time.sleep(0.05)
    assert all(path.exists() for path in stopped)


@pytest.mark.parametrize(
    ("name", "text"),
    [("code", r"worker tcp://.*: code \w{16}, expected another as here; update the project"), ("numpy", "numpy 2")],
)
def test_a_worker_refuses_other_code_and_other_versions(address, monkeypatch, name, text):
    monkeypatch.setattr(cluster, "identity", lambda backend: remote_job.identity(backend) | {name: "another"})
    with pytest.raises(EngineFailed, match=text):
        run_jobs(fake_jobs.facts, [1])


def test_a_worker_without_the_shared_folder_gets_the_files_once_and_returns_what_it_writes(address, tmp_path, folder):
    source, done = Path("input/a.txt"), Path("out/0")
    source.parent.mkdir()
    source.write_text("content")
    jobs = [fake_jobs.FolderJob(source, done), fake_jobs.FolderJob(source, Path("out/1"))]
    with remote_cluster(address) as engine:
        engine.token = Path("a file that no worker has")
        tasks = [engine.submit(fake_jobs.write_folder, job, inputs=[source.parent]) for job in jobs]
        ended = []
        while len(ended) < 2:
            ended += engine.ended(60)
    assert [task.error for task in tasks] == [None, None]
    for task in tasks:
        workplace, earlier_epochs = task.value
        assert not workplace.is_relative_to(tmp_path) and not workplace.exists()
        assert earlier_epochs == 2, "the second worker continues after the epoch that the first one saved"
    assert {str(path): path.read_text() for path in sorted(Path("out").rglob("*")) if path.is_file()} == {
        "out/0/model": "content",
        "out/1/model": "content",
    }
    assert [path.read_text() for path in folder.rglob("podium/files/*")] == ["content"]


def draw_slowly(seed):
    random.seed(seed)
    time.sleep(1.5)
    return random.random()


def test_dask_draws_no_random_numbers_of_the_job(address):
    assert run_jobs(draw_slowly, [1, 2]) == [random.Random(seed).random() for seed in (1, 2)]


def test_ctrl_c_is_not_a_matter_of_the_processes(pool, address):
    for process in processes(pool):
        process.send_signal(signal.SIGINT)
    assert len(run_jobs(fake_jobs.facts, [1, 2])) == 2


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch):
    monkeypatch.setattr(schedulers, "CONNECT_SECONDS", 1)
    monkeypatch.setenv("DASK_SCHEDULER", "tcp://127.0.0.1:9")
    with pytest.raises(EngineFailed, match=r"no Dask scheduler answers at tcp://127.0.0.1:9 within 1 s"):
        run_jobs(fake_jobs.facts, [1])


def test_a_scheduler_with_tls_needs_a_certificate(monkeypatch):
    monkeypatch.setenv("DASK_SCHEDULER", "tls://127.0.0.1:9")
    with pytest.raises(EngineFailed, match=r"tls://127.0.0.1:9 needs a certificate: Dask has no distributed.comm.tls"):
        run_jobs(fake_jobs.facts, [1])


def test_a_worker_without_the_project_is_one_sentence_and_stays_alive(pool, address, monkeypatch):
    monkeypatch.setattr(cluster, "Execution", NotThere)
    with pytest.raises(EngineFailed, match=r"a worker cannot import nowhere; start it in the project's folder"):
        run_jobs(fake_jobs.facts, [1])
    assert len(pool.client.nthreads()) == 2


class NotThere:
    """A job of a module that workers do not have."""

    def __init__(self, call):
        pass

    def __reduce__(self):
        return __import__, ("nowhere",)


def test_a_scheduler_without_workers_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster, "WORKER_SECONDS", 1)
    with SpecCluster(scheduler={"cls": Scheduler, "options": {"host": "127.0.0.1", "dashboard": False}}) as empty:
        monkeypatch.setenv("DASK_SCHEDULER", empty.scheduler_address)
        with pytest.raises(EngineFailed, match=r"has no worker since 1 s; start one and repeat the command"):
            run_jobs(fake_jobs.facts, [1])


def test_a_lost_scheduler_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with (
        local_cluster([{}]) as pool,
        pytest.raises(EngineFailed, match=r"is lost; repeat the command, which continues"),
    ):
        pool.submit(fake_jobs.run_epochs, (tmp_path / "epochs", 100))
        while not (tmp_path / "epochs").exists():
            pool.ended(0.1)
        scheduler = pool.client.cluster.scheduler
        pool.client.sync(scheduler.close)
        while True:
            pool.ended(1)


def test_the_limit_of_a_wait_is_thirty_seconds():
    assert cluster.WORKER_SECONDS <= 30
    assert jobs.WAIT_SECONDS > 0


def test_dask_writes_no_log(pool):
    loggers = [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    assert "distributed.client" in loggers
    assert {name for name in loggers if logging.getLogger(name).isEnabledFor(logging.ERROR)} == set()
