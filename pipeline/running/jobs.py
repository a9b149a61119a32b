"""Independent jobs: one plain function and a list of picklable arguments, such as the folds of a member.

By default they run in this process, one after the other. With DASK_SCHEDULER they run on that Dask cluster. With JOBS,
or several GPUs, they run in processes of this machine, which Dask starts.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pipeline.running.devices import gpu_environments, visible_gpus
from pipeline.running.progress import Turn
from pipeline.storage.files import BadInput

Job = TypeVar("Job")
Result = TypeVar("Result")
JOBS, OLD_JOBS, SCHEDULER = "JOBS", "FOLDS_AT_ONCE", "DASK_SCHEDULER"  # environment variables
WAIT_SECONDS = 60.0

EpochWatcher = Callable[[dict], bool]  # gets the figures of each epoch, and returns whether the job goes on


class EngineFailed(BadInput):
    """What runs jobs is lost, or refuses every job. A repeat continues from the last epochs."""


class JobStopped(Exception):
    """Nobody waits for this job any more: its run has ended, or its trial is pruned."""


@dataclass(eq=False)
class Task:
    """A job that was submitted, and later its result or error."""

    watch: EpochWatcher
    value: Any = None
    error: Exception | None = None
    is_stopped: bool = False  # by its watcher


class Engine(Protocol):
    """What runs jobs, at most `size` at a time."""

    @property
    def size(self) -> int:
        """The number of jobs that run at a time."""

    def submit(
        self, function: Callable[[Any], Any], job: Any, watch: EpochWatcher = ..., inputs: Sequence[Path] = ()
    ) -> Task:
        """Start a job, or queue it.

        Args:
            function: a function of a module.
            job: its picklable argument. If it has a `folder`, the job writes there.
            watch: gets what the job reports after each epoch.
            inputs: files and folders that the job reads, for workers that do not share this folder.
        """

    def ended(self, seconds: float) -> list[Task]:
        """Wait for the next tasks that end, and return them. The list is empty if that takes more than `seconds`."""


def always(row: dict) -> bool:
    """Return that the job goes on."""
    return True


class InProcess:
    """An engine that runs each job at once, in this process."""

    size = 1

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def submit(
        self, function: Callable[[Any], Any], job: Any, watch: EpochWatcher = always, inputs: Sequence[Path] = ()
    ) -> Task:
        """Run the job. Its error is kept in the task."""
        task = Task(watch)
        self.tasks.append(task)

        def after_epoch(row: dict) -> None:
            if not watch(row):
                raise JobStopped

        try:
            with heard_by(Listeners(after_epoch)):
                task.value = function(job)
        except JobStopped:
            task.is_stopped = True
        except Exception as error:
            task.error = error.with_traceback(None)  # whose frames would keep the job's arrays in memory
        return task

    def ended(self, seconds: float) -> list[Task]:
        """Return the tasks since the last call, or wait."""
        if not self.tasks:
            time.sleep(seconds)
        tasks, self.tasks = self.tasks, []
        return tasks


@dataclass
class Listeners:
    """What hears about the job that runs in this process."""

    after_epoch: Callable[[dict], None] = lambda row: None
    after_save: Callable[[Path], None] = lambda path: None


_listeners = [Listeners()]


def report_epoch(row: dict) -> None:
    """Report the figures of an epoch. A job calls this after each epoch, before it saves the epoch.

    Raises:
        JobStopped: the job should end now.
    """
    _listeners[-1].after_epoch(row)


def report_state(path: Path) -> None:
    """Report that a job has saved its state, from which it can continue elsewhere."""
    _listeners[-1].after_save(path)


@contextmanager
def heard_by(listeners: Listeners) -> Iterator[None]:
    """Let the listeners hear about the job in this block."""
    _listeners.append(listeners)
    try:
        yield
    finally:
        _listeners.pop()


def run_jobs(function: Callable[[Job], Result], jobs: Sequence[Job], inputs: Sequence[Path] = ()) -> list[Result]:
    """Return the results in the order of `jobs`. The first error ends the others. See `Engine.submit` for `inputs`.

    Raises:
        BadInput: a job raised it, or a process or the cluster was lost.
    """
    if not jobs:
        return []
    if not uses_dask(len(jobs)):
        return [function(job) for job in jobs]
    with engine(len(jobs)) as pool:
        tasks = [pool.submit(function, job, inputs=inputs) for job in jobs]
        left = len(tasks)
        while left:
            for task in pool.ended(WAIT_SECONDS):
                if task.error:
                    raise task.error
                left -= 1
    return [task.value for task in tasks]


@contextmanager
def engine(jobs: int) -> Iterator[Engine]:
    """Yield what runs so many jobs. Jobs that have not ended are cancelled at the end of the block.

    Raises:
        BadInput: the cluster cannot be reached, or has no workers.
    """
    if not uses_dask(jobs):
        yield InProcess()
        return
    from pipeline.running.schedulers import local_cluster, remote_cluster  # which imports Dask

    address = os.environ.get(SCHEDULER)
    with remote_cluster(address) if address else local_cluster(environments(min(jobs, parallel_jobs()))) as cluster:
        yield cluster


def uses_dask(jobs: int) -> bool:
    """Return whether so many jobs run outside this process."""
    return bool(os.environ.get(SCHEDULER)) or min(jobs, parallel_jobs()) > 1


def parallel_jobs() -> int:
    """Return how many jobs run at a time: the number in JOBS, or that of the GPUs that this process may use.

    Raises:
        BadInput: JOBS is not a whole number from 1.
    """
    for name in (JOBS, OLD_JOBS):
        if text := os.environ.get(name):
            if not text.isdecimal() or int(text) < 1:
                raise BadInput(f"{name} is {text!r} in the environment, expected a whole number from 1")
            if name == OLD_JOBS:
                warn_of_old_name(OLD_JOBS, int(text))
            return int(text)
    return max(1, len(visible_gpus()))


def one_at_a_time() -> None:
    """Let jobs run one after the other in this process, because each of them takes all GPUs."""
    os.environ[JOBS] = "1"


def warn_of_old_name(name: str, jobs: int) -> None:
    """Print how to write an old setting today, and write it so for this process and its jobs."""
    print(f"warning: {name} is now the environment variable {JOBS}; set {JOBS}={jobs}", file=sys.stderr, flush=True)
    os.environ[JOBS] = str(jobs)


def turns(names: Sequence[str], work: str, later_jobs: int = 0) -> dict[str, Turn]:
    """Return the turn in which `run_jobs` begins each job, for the progress display.

    Args:
        names: of the jobs that are not finished, in their order.
        work: what the jobs are together; the first job displays it.
        later_jobs: how many jobs follow after these.
    """
    if address := os.environ.get(SCHEDULER):
        from pipeline.running.schedulers import worker_count

        size = worker_count(address)
    else:
        size = parallel_jobs()
    size = max(1, min(size, len(names)))
    count = -(-len(names) // size) + later_jobs
    return {name: Turn(index // size, count, "" if index else work) for index, name in enumerate(names)}


def environments(count: int) -> list[dict[str, str]]:
    """Return the environment of each of `count` processes: they get the GPUs in turn, or share the CPU's threads."""
    if visible_gpus():
        return gpu_environments(count)
    threads = str(max(1, (os.cpu_count() or 1) // count))
    return [{"TF_NUM_INTRAOP_THREADS": threads, "OMP_NUM_THREADS": threads}] * count
