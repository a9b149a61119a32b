"""The loop of a study: trials handed to workers, and what came of them written down, until the budget is spent."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState
from tqdm import tqdm

from pipeline.config.options import with_values
from pipeline.config.schema import Member, Tune
from pipeline.running import workers
from pipeline.running.clock import clock
from pipeline.running.workers import Worker
from pipeline.tuning.space import Space, suggest
from pipeline.tuning.study import BEAT, BEAT_SECONDS, REASON, attach, claim, counted, end, give_up, give_up_the_dead

SCORE = "val_accuracy"
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class TrialJob:
    """All that a worker needs for one trial, picklable."""

    member: Member  # with the proposed values
    storage: str
    study: str
    pruner: str
    trial_id: int
    title: str


@dataclass(frozen=True)
class Search:
    """A study and how it is run."""

    study: optuna.Study
    storage: str
    member: Member
    space: Space
    run: Callable[[TrialJob], float | None]  # in a worker: a trial's score, or None where it was pruned
    title: str

    @property
    def limits(self) -> Tune:
        """What may be spent."""
        return self.member.tune


def search(what: Search, hands: list[Worker]) -> None:
    """Run trials on the workers until the budget of all processes together is spent and the last trial has ended."""
    busy: dict[int, tuple[Trial, float]] = {}  # by the worker's place: its trial, and when it began
    signs: dict[int, tuple[int, float]] = {}
    beaten = time.monotonic()
    bar = tqdm(total=what.limits.trials or None, desc=what.title, unit="trial", leave=False, disable=None)
    try:
        while True:
            give_up_the_dead(what.study, signs)
            _hand_out(what, hands, busy)
            if not busy and not what.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                return
            for worker in workers.ready([hands[place] for place in busy], POLL_SECONDS):
                place = hands.index(worker)
                trial, began = busy.pop(place)
                hands[place] = _take_in(what, worker, trial)
                tqdm.write(_line(what, trial.number, time.monotonic() - began, len(hands)))
            bar.update(len(ended(what.study)) - bar.n)
            if time.monotonic() - beaten > BEAT_SECONDS:
                beaten = time.monotonic()
                for trial, _ in busy.values():
                    attach(what.study, trial.number, BEAT, int(beaten))
    finally:
        bar.close()
        for trial, _ in busy.values():
            give_up(what.study, trial.number, "interrupted")


def is_spent(study: optuna.Study, limits: Tune, at_once: int) -> bool:
    """Return whether no further trial may begin."""
    spent_seconds = sum(trial.duration.total_seconds() for trial in ended(study)) / at_once
    budget = limits.trials or sys.maxsize
    return len(counted(study)) >= budget or 0 < limits.seconds <= spent_seconds


def ended(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that came to an end, pruned ones among them."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def best_of(study: optuna.Study) -> FrozenTrial | None:
    """Return the trial with the highest score, the first of equals; None before one is complete."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return max(complete, key=lambda trial: trial.value, default=None)


def _hand_out(what: Search, hands: list[Worker], busy: dict[int, tuple[Trial, float]]) -> None:
    for place in range(len(hands)):
        if place in busy:
            continue
        if is_spent(what.study, what.limits, len(hands)):
            return
        trial = claim(what.study, what.space, what.limits.trials or sys.maxsize, what.member.training.seed)
        if trial is None:
            return
        busy[place] = trial, time.monotonic()
        job = TrialJob(
            member=with_values(what.member, suggest(trial, what.space)),
            storage=what.storage,
            study=what.study.study_name,
            pruner=what.limits.pruner,
            trial_id=trial._trial_id,
            title=f"{what.title}  trial {trial.number}",
        )
        workers.submit(hands[place], what.run, job)


def _take_in(what: Search, worker: Worker, trial: Trial) -> Worker:
    """Write down what became of a trial; return its worker, or a fresh one where that failed it."""
    try:
        end(what.study, trial.number, workers.result(worker))
        return worker
    except workers.Failed as failure:
        end(what.study, trial.number, None, str(failure))
        if failure.is_sound:
            return worker
        workers.stop(worker)
        return workers.start(worker.environment)


def _line(what: Search, number: int, seconds: float, at_once: int) -> str:
    """Return what a person reads when a trial has ended."""
    trials, best = ended(what.study), best_of(what.study)
    trial = what.study.get_trials(deepcopy=False)[number]
    pruned = sum(each.state == TrialState.PRUNED for each in trials)
    parts = [
        f"{what.title}  trial {number}: {_told(trial)} in {clock(seconds)}",
        f"best {best.value:.4f} (trial {best.number})" if best else "none complete yet",
        f"{len(trials)}{f'/{what.limits.trials}' if what.limits.trials else ''} done, {pruned} pruned",
        f"{clock(_seconds_left(what, trials, at_once))} left",
    ]
    return " | ".join(parts)


def _told(trial: FrozenTrial) -> str:
    if trial.state == TrialState.COMPLETE:
        return f"{trial.value:.4f}"
    state = "pruned" if trial.state == TrialState.PRUNED else "given up"
    return (
        f"{state}: {trial.user_attrs[REASON]}" if REASON in trial.user_attrs else f"{state} at epoch {trial.last_step}"
    )


def _seconds_left(what: Search, trials: list[FrozenTrial], at_once: int) -> float:
    spent = sum(trial.duration.total_seconds() for trial in trials)
    limits = []
    if what.limits.trials:
        limits.append((what.limits.trials - len(trials)) * spent / max(1, len(trials)) / at_once)
    if what.limits.seconds:
        limits.append(what.limits.seconds - spent / at_once)
    return max(0.0, min(limits))
