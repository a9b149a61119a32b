"""Parallel jobs: one plain function and a list of picklable arguments, such as the folds of a member."""

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pipeline.running import workers
from pipeline.running.progress import Turn
from pipeline.storage.files import BadInput

Job = TypeVar("Job")
Result = TypeVar("Result")
AT_ONCE = "FOLDS_AT_ONCE"


def run_jobs(function: Callable[[Job], Result], jobs: Sequence[Job]) -> list[Result]:
    """Return the results in the order of `jobs`.

    With several GPUs, each GPU runs one job at a time in its own process. On a CPU the environment variable
    FOLDS_AT_ONCE sets how many jobs run in parallel and share the threads. The last round may have fewer jobs, which
    share all threads. In every other case, as on a single GPU, the jobs run one after the other in this process.

    Raises:
        BadInput: FOLDS_AT_ONCE is not a whole number from 1, a job in another process raised it, or that process died.
        RuntimeError: a job in another process raised any other error. The message contains its traceback.
    """
    results, at_once = [], _at_once()
    while left := jobs[len(results) :]:
        environments = workers.environments(min(at_once, len(left)))[: len(left)]
        results += [function(left[0])] if len(environments) == 1 else _in_parallel(function, left, environments)
    return results


def turns(names: Sequence[str], work: str, later_jobs: int = 0) -> dict[str, Turn]:
    """Return the turn in which `run_jobs` begins each job, for the progress display.

    Args:
        names: of the jobs that are not finished, in their order.
        work: what the jobs are together; the first job displays it.
        later_jobs: how many jobs follow after these.
    """
    at_once = len(workers.environments(min(_at_once(), max(1, len(names)))))
    count = -(-len(names) // at_once) + later_jobs
    return {name: Turn(index // at_once, count, "" if index else work) for index, name in enumerate(names)}


def _at_once() -> int:
    text = os.environ.get(AT_ONCE) or "1"
    if not text.isdecimal() or int(text) < 1:
        raise BadInput(f"{AT_ONCE} is {text!r} in the environment, expected a whole number from 1")
    return int(text)


def _in_parallel(
    function: Callable[[Job], Result], jobs: Sequence[Job], environments: list[dict[str, str]]
) -> list[Result]:
    """Return the results of the first jobs, one for each environment. The first failure ends the others."""
    pool, results = [workers.start(environment) for environment in environments], {}
    try:
        for worker, job in zip(pool, jobs, strict=False):
            workers.submit(worker, function, job)
        while len(results) < len(pool):
            for worker in workers.ready([worker for index, worker in enumerate(pool) if index not in results]):
                results[pool.index(worker)] = _result(worker)
    finally:
        for index, worker in enumerate(pool):
            workers.stop(worker, workers.GRACE_SECONDS if index in results else 0)
    return [results[index] for index in range(len(pool))]


def _result(worker: workers.Worker) -> Any:
    try:
        return workers.result(worker)
    except workers.Failed as failure:
        if failure.traceback:
            raise RuntimeError(failure.traceback) from None
        raise BadInput(str(failure) if failure.is_sound else f"a fold failed: {failure}") from None
