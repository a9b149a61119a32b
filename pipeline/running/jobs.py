"""Folds as a list of jobs: each a plain function of one picklable argument."""

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from pipeline.running import workers
from pipeline.storage.files import BadInput

Job = TypeVar("Job")
Result = TypeVar("Result")
AT_ONCE = "FOLDS_AT_ONCE"


def run_jobs(function: Callable[[Job], Result], jobs: Sequence[Job]) -> list[Result]:
    """Return the results in the order of `jobs`.

    Several GPUs work on one each, in a process of its own. On a CPU FOLDS_AT_ONCE of the environment says how many
    processes share its threads, in rounds, so that a last one with fewer jobs has all threads too. Otherwise, as on a
    single GPU, one job after the other has the whole device, in this process.

    Raises:
        BadInput: FOLDS_AT_ONCE is no number from 1, a job in another process raised it, or that process died.
        RuntimeError: a job in another process raised anything else; it carries the traceback.
    """
    results, at_once = [], _at_once()
    while left := jobs[len(results) :]:
        environments = workers.environments(min(at_once, len(left)))[: len(left)]
        results += [function(left[0])] if len(environments) == 1 else _side_by_side(function, left, environments)
    return results


def _at_once() -> int:
    text = os.environ.get(AT_ONCE) or "1"
    if not text.isdecimal() or int(text) < 1:
        raise BadInput(f"{AT_ONCE} is {text!r} in the environment, expected a whole number from 1")
    return int(text)


def _side_by_side(
    function: Callable[[Job], Result], jobs: Sequence[Job], environments: list[dict[str, str]]
) -> list[Result]:
    """Return the results of the first jobs, one an environment; the first failure ends the others."""
    hands, results = [workers.start(each) for each in environments], {}
    try:
        for hand, job in zip(hands, jobs, strict=False):
            workers.submit(hand, function, job)
        while len(results) < len(hands):
            for hand in workers.ready([each for place, each in enumerate(hands) if place not in results]):
                results[hands.index(hand)] = _result(hand)
    finally:
        for place, hand in enumerate(hands):
            workers.stop(hand, workers.GRACE_SECONDS if place in results else 0)
    return [results[place] for place in range(len(hands))]


def _result(hand: workers.Worker) -> Result:
    try:
        return workers.result(hand)
    except workers.Failed as failure:
        if failure.traceback:
            raise RuntimeError(failure.traceback) from None
        raise BadInput(str(failure) if failure.is_sound else f"a fold failed: {failure}") from None
