"""The loop of a study: it gives trials to workers and records their results until the budget is spent."""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState
from tqdm import tqdm

from pipeline.config.options import with_values
from pipeline.config.schema import Member, Tune
from pipeline.running import workers
from pipeline.running.clock import clock
from pipeline.running.progress import fitted, write_line
from pipeline.running.workers import Worker
from pipeline.tuning.space import Space, suggest
from pipeline.tuning.study import (
    BEAT,
    BEAT_SECONDS,
    REASON,
    attach,
    claim,
    counted_trials,
    end,
    give_up,
    give_up_dead_trials,
)

POLL_SECONDS = 1.0


@dataclass(frozen=True)
class TrialJob:
    """A worker's input for one trial, picklable."""

    member: Member  # with the proposed values
    storage: str
    study: str
    pruner: str
    trial_id: int
    title: str


@dataclass(frozen=True)
class Search:
    """A study and everything that is needed to run it."""

    study: optuna.Study
    storage: str
    member: Member
    space: Space
    run: Callable[[TrialJob], float | None]  # in a worker: returns a trial's score, or None if it was pruned
    title: str

    @property
    def limits(self) -> Tune:
        """The budget and the pruner."""
        return self.member.tune


def run_search(search: Search, pool: list[Worker]) -> None:
    """Run trials on the workers until the budget of all processes together is spent and the last trial has ended."""
    busy: dict[int, tuple[Trial, float]] = {}  # by the worker's index: its trial, and the trial's start time
    last_beats: dict[int, tuple[int, float]] = {}
    beat_time, is_estimated = time.monotonic(), bool(ended_trials(search.study))
    bar = tqdm(total=search.limits.trials or None, desc=search.title, unit="trial", leave=False, disable=None)
    try:
        while True:
            give_up_dead_trials(search.study, last_beats)
            _submit_trials(search, pool, busy)
            if not busy and not search.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                return
            for worker in workers.ready([pool[index] for index in busy], POLL_SECONDS):
                index = pool.index(worker)
                trial, start_time = busy.pop(index)
                pool[index] = _record_result(search, worker, trial)
                write_line(_trial_line(search, trial.number, time.monotonic() - start_time, len(pool)))
                is_estimated = True
            if not is_estimated and (estimate := _first_estimate(search, len(pool))):
                write_line(estimate)
                is_estimated = True
            bar.update(len(ended_trials(search.study)) - bar.n)
            if time.monotonic() - beat_time > BEAT_SECONDS:
                beat_time = time.monotonic()
                for trial, _ in busy.values():
                    attach(search.study, trial.number, BEAT, int(beat_time))
    finally:
        bar.close()
        for trial, _ in busy.values():
            give_up(search.study, trial.number, "interrupted")


def is_spent(study: optuna.Study, limits: Tune, at_once: int) -> bool:
    """Return whether the budget allows no further trial."""
    spent_seconds = sum(map(_seconds, ended_trials(study))) / at_once
    budget = limits.trials or sys.maxsize
    return len(counted_trials(study)) >= budget or 0 < limits.seconds <= spent_seconds


def ended_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that have ended, including pruned ones."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def best_of(study: optuna.Study) -> FrozenTrial | None:
    """Return the trial with the best score, the first of equals, or None if no trial is complete."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = 1 if study.direction == StudyDirection.MAXIMIZE else -1
    return max(complete, key=lambda trial: sign * score_of(trial), default=None)


def score_of(trial: FrozenTrial) -> float:
    """Return the score of a complete trial."""
    return math.nan if trial.value is None else trial.value


def _submit_trials(search: Search, pool: list[Worker], busy: dict[int, tuple[Trial, float]]) -> None:
    """Give a new trial to each idle worker, as long as the budget allows it."""
    for index in range(len(pool)):
        if index in busy:
            continue
        if is_spent(search.study, search.limits, len(pool)):
            return
        trial = claim(search.study, search.space, search.limits.trials or sys.maxsize, search.member.training.seed)
        if trial is None:
            return
        busy[index] = trial, time.monotonic()
        job = TrialJob(
            member=with_values(search.member, suggest(trial, search.space)),
            storage=search.storage,
            study=search.study.study_name,
            pruner=search.limits.pruner,
            trial_id=trial._trial_id,
            title=f"{search.title}  trial {trial.number}",
        )
        workers.submit(pool[index], search.run, job)


def _record_result(search: Search, worker: Worker, trial: Trial) -> Worker:
    """Record a trial's result. Return its worker, or a new one if the worker cannot continue."""
    try:
        end(search.study, trial.number, workers.result(worker))
        return worker
    except workers.Failed as failure:
        end(search.study, trial.number, None, str(failure))
        if failure.is_sound:
            return worker
        workers.stop(worker)
        return workers.start(worker.environment)


def _trial_line(search: Search, number: int, seconds: float, at_once: int) -> str:
    """Return the line about a trial that has ended."""
    trials, best = ended_trials(search.study), best_of(search.study)
    pruned = sum(trial.state == TrialState.PRUNED for trial in trials)
    result = _result_text(search.study.get_trials(deepcopy=False)[number])
    parts = [
        f" in {clock(seconds)}",
        f"best {score_of(best):.4f} (trial {best.number})" if best else "none complete yet",
        f"{len(trials)}{f'/{search.limits.trials}' if search.limits.trials else ''} done, {pruned} pruned",
        f"{clock(_seconds_left(search, sum(map(_seconds, trials)), len(trials), at_once))} left",
    ]
    return fitted(f"trial {number}: {result}", "  ".join(parts))


def _result_text(trial: FrozenTrial) -> str:
    if trial.state == TrialState.COMPLETE:
        return f"{score_of(trial):.4f}"
    state = "pruned" if trial.state == TrialState.PRUNED else "given up"
    return (
        f"{state}: {trial.user_attrs[REASON]}" if REASON in trial.user_attrs else f"{state} at epoch {trial.last_step}"
    )


def _seconds(trial: FrozenTrial) -> float:
    return trial.duration.total_seconds() if trial.duration else 0.0  # None while it runs


def _first_estimate(search: Search, at_once: int) -> str:
    """Return the time for the whole search, after the first epoch of its first trial, or an empty text before."""
    for trial in search.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trial.last_step and trial.datetime_start:
            epoch_seconds = (datetime.now() - trial.datetime_start).total_seconds() / trial.last_step
            left = _seconds_left(search, epoch_seconds * search.member.training.epochs, 0, at_once)
            return f"{search.title}: trials of {search.member.training.epochs} epochs, about {clock(left)} left"
    return ""


def _seconds_left(search: Search, spent: float, trials: int, at_once: int) -> float:
    """Return the time left after `trials` trials that took `spent` seconds, or before the first one that will do so."""
    limits = []
    if search.limits.trials:
        limits.append((search.limits.trials - trials) * spent / max(1, trials) / at_once)
    if search.limits.seconds:
        limits.append(search.limits.seconds - spent / at_once)
    return max(0.0, min(limits))
