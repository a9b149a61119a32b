"""The loop of a study: it submits trials to an engine and records their results until the budget is spent."""

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState
from tqdm import tqdm

from pipeline.config.errors import one_line
from pipeline.config.options import with_values
from pipeline.config.schema import Member, Tune
from pipeline.running.clock import clock
from pipeline.running.jobs import Engine, EpochWatcher, Task
from pipeline.running.progress import fitted, write_line
from pipeline.storage import paths
from pipeline.storage.files import BadInput
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
BAR = "{desc}  {n_fmt}/{total_fmt} trials |{bar}|"  # without tqdm's time left, which counts an earlier run's trials


@dataclass(frozen=True)
class TrialJob:
    """The input of one trial, picklable."""

    member: Member  # with the proposed values
    title: str


@dataclass(frozen=True)
class Search:
    """A study and everything that is needed to run it."""

    study: optuna.Study
    member: Member
    space: Space
    run: Callable[[TrialJob], float]  # returns a trial's score, and reports its epochs
    score: str  # what the study compares, a figure of each epoch
    title: str

    @property
    def limits(self) -> Tune:
        """The budget and the pruner."""
        return self.member.tune


@dataclass
class OwnTrials:
    """The running trials of this process."""

    start_times: dict[int, float]  # by the trial's number
    numbers: dict[Task, int]


def run_search(search: Search, engine: Engine) -> None:
    """Run trials on the engine until the budget of all processes together is spent and the last trial has ended.

    Only this process reads and writes the study: a trial reports its epochs to it, and is stopped by it.
    """
    own = OwnTrials({}, {})
    last_beats: dict[int, tuple[int, float]] = {}
    bar = tqdm(
        total=search.limits.trials or None,
        initial=len(ended_trials(search.study)),
        desc=search.title,
        bar_format=BAR,
        leave=False,
        disable=None,
    )
    try:
        with _beats(search.study, own):
            while True:
                give_up_dead_trials(search.study, last_beats)
                _submit_trials(search, engine, own)
                if not own.numbers and not search.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                    return
                for task in engine.ended(POLL_SECONDS):
                    number = own.numbers.pop(task)
                    end(search.study, number, task.value, _reason(task.error))
                    seconds = time.monotonic() - own.start_times.pop(number)
                    write_line(_trial_line(search, number, seconds, engine.size))
                bar.update(len(ended_trials(search.study)) - bar.n)
    finally:
        bar.close()
        for number in own.start_times:
            give_up(search.study, number, "interrupted")


@contextmanager
def _beats(study: optuna.Study, own: OwnTrials) -> Iterator[None]:
    """Record at intervals that this process's trials are alive, also while a trial occupies its main thread."""
    is_over = threading.Event()

    def beat() -> None:
        while not is_over.wait(BEAT_SECONDS):
            for number in list(own.start_times):
                attach(study, number, BEAT, int(time.monotonic()))

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


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


def _submit_trials(search: Search, engine: Engine, own: OwnTrials) -> None:
    """Submit new trials until the engine is busy, as long as the budget allows it."""
    while len(own.numbers) < engine.size and not is_spent(search.study, search.limits, engine.size):
        trial = claim(search.study, search.space, search.limits.trials or sys.maxsize, search.member.training.seed)
        if trial is None:
            return
        is_first = not (own.numbers or ended_trials(search.study))
        own.start_times[trial.number] = time.monotonic()
        member = with_values(search.member, suggest(trial, search.space))
        job = TrialJob(member, f"{search.title}  trial {trial.number}")
        watch = _watcher(search, trial, engine.size, is_first)
        task = engine.submit(search.run, job, watch, paths.job_inputs(member.task))
        own.numbers[task] = trial.number


def _watcher(search: Search, trial: Trial, at_once: int, is_first: bool) -> EpochWatcher:
    """Return a function that reports an epoch of the trial to the study, and returns whether the trial goes on."""
    start_time = time.monotonic()

    def watch(row: dict) -> bool:
        trial.report(row[search.score], row["epoch"])
        if is_first and row["epoch"] == 1:
            write_line(_first_estimate(search, start_time, at_once))
        return not trial.should_prune()

    return watch


def _reason(error: Exception | None) -> str:
    """Return what the user reads about a trial that failed."""
    if error is None:
        return ""
    text = one_line(" ".join(str(error).split()))
    return text if isinstance(error, BadInput | ValueError) else f"{type(error).__name__}: {text}".rstrip(": ")


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


def _first_estimate(search: Search, start_time: float, at_once: int) -> str:
    """Return the time for the whole search, after the first epoch of its first trial."""
    epochs = search.member.training.epochs
    left = _seconds_left(search, (time.monotonic() - start_time) * epochs, 0, at_once)
    return f"{search.title}: trials of {epochs} epochs, about {clock(left)} left"


def _seconds_left(search: Search, spent: float, trials: int, at_once: int) -> float:
    """Return the time left after `trials` trials that took `spent` seconds, or before the first one that will do so."""
    limits = []
    if search.limits.trials:
        limits.append((search.limits.trials - trials) * spent / max(1, trials) / at_once)
    if search.limits.seconds:
        limits.append(search.limits.seconds - spent / at_once)
    return max(0.0, min(limits))
