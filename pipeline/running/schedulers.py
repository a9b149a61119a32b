"""The schedulers to which a client connects: one that the user started, or one with processes of this machine."""

import functools
import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker

import dask
from distributed import Client, Nanny, Scheduler, SpecCluster

from pipeline.running.cluster import Cluster
from pipeline.running.jobs import SCHEDULER, EngineFailed

CONNECT_SECONDS, CLOSE_SECONDS = 30, 10
CERTIFICATE = "distributed.comm.tls.client.cert"
HERE = "127.0.0.1"
QUIET = logging.CRITICAL


@contextmanager
def remote_cluster(address: str) -> Iterator[Cluster]:
    """Yield the engine of a running Dask scheduler.

    Raises:
        EngineFailed: no scheduler answers there, or no worker has joined it.
    """
    with _client(address) as client, _cluster(client, f"{SCHEDULER} {address}") as cluster:
        yield cluster


@contextmanager
def local_cluster(environments: Sequence[dict[str, str]]) -> Iterator[Cluster]:
    """Yield the engine of a process on this machine for each environment. Other machines cannot connect to them."""
    _silence_dask()
    options = {"nthreads": 1, "host": HERE, "memory_limit": None, "dashboard": False, "silence_logs": QUIET}
    workers = {
        index: {"cls": Nanny, "options": {**options, "env": environment}}
        for index, environment in enumerate(environments)
    }
    scheduler = {
        "cls": Scheduler,
        "options": {"host": HERE, "port": 0, "dashboard": False, "dashboard_address": f"{HERE}:0"},
    }
    with _without_ctrl_c():
        processes = SpecCluster(workers=workers, scheduler=scheduler, silence_logs=QUIET)
    try:
        # A nanny restarts its process, but ends itself if the process was killed while it started.
        scale = functools.partial(processes.scale, len(environments))
        with _client(processes) as client, _cluster(client, "Dask on this machine", scale) as cluster:
            yield cluster
    finally:
        processes.close()


def worker_count(address: str) -> int:
    """Return how many workers the scheduler has now.

    Raises:
        EngineFailed: no scheduler answers there.
    """
    with _client(address) as client:
        return len(client.nthreads())


@contextmanager
def _client(address: str | SpecCluster) -> Iterator[Client]:
    _silence_dask()
    if str(address).startswith("tls://") and not dask.config.get(CERTIFICATE, None):
        raise EngineFailed(f"{SCHEDULER}: {address} needs a certificate: Dask has no {CERTIFICATE}; see docs/scale.md")
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False, name="podium")
    except (OSError, ValueError, TypeError) as error:
        reason = f"{SCHEDULER}: no Dask scheduler answers at {address} within {CONNECT_SECONDS} s"
        raise EngineFailed(f"{reason} ({type(error).__name__}); start one with `dask scheduler`") from None
    try:
        yield client
    finally:
        client.close(CLOSE_SECONDS)


@contextmanager
def _cluster(client: Client, name: str, restart_workers: Callable[[], None] | None = None) -> Iterator[Cluster]:
    cluster = Cluster(client, name, restart_workers)
    cluster.token.parent.mkdir(parents=True, exist_ok=True)
    cluster.token.touch()
    try:
        yield cluster
    finally:
        cluster.token.unlink(missing_ok=True)
        cluster.cancel()


def _silence_dask() -> None:
    """Hide Dask's log: what matters to the user becomes a sentence. Many of its loggers have levels of their own."""
    for name in ("distributed", "tornado", "asyncio", *logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(QUIET)


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Block Ctrl-C for the threads and processes that start in this block: only this process's main thread hears it."""
    resource_tracker.ensure_running()  # before the next line, which its start would undo
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
