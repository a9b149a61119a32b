"""A member's study: its trials, their owners and the next trial. Several processes can share a study safely.

Every trial has a unique number. A process that creates a trial counts the trials before it. So all processes together
keep the budget, without a lock and on any storage. The owner of a trial records its name and, at intervals, that it is
alive. If the owner is dead, the trial is failed and its place in the budget is free again.
"""

import os
import platform
import random
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import psutil
from optuna.exceptions import DuplicatedStudyError, StorageInternalError, UpdateFinishedTrialError
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from pipeline.storage.files import BadInput
from pipeline.tuning.pruners import PLACE, pruner_of
from pipeline.tuning.space import Space

OPEN_ATTEMPTS = 8
LOCK_SECONDS = 30  # after which the journal's lock is taken from a process that was killed with the lock
BEAT_SECONDS = 30
SILENT_SECONDS = 180  # after which a trial on another machine without a sign of life is dead
NAMELESS_SECONDS = 20  # after which a trial without an owner's name is dead
REASON, DEFAULTS, OWNER, BEAT = "reason", "defaults", "owner", "beat"  # attributes of a trial
PLACE_SECONDS = 5  # for an earlier trial to say its place
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)

optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_study(storage: str, name: str, pruner: str, epochs: int, higher_is_better: bool = True) -> optuna.Study:
    """Return the study with that name. Create it if there is none.

    Args:
        storage: the path of a journal, or an Optuna URL. $NAME is an environment variable.
        name: the study's name.
        pruner: median, hyperband or none.
        epochs: the number of epochs of a trial that is not pruned.
        higher_is_better: whether the best trial has the highest score.

    Raises:
        BadInput: the storage cannot be opened. The message hides a URL, which may contain a password.
    """
    location = os.path.expandvars(storage)
    direction = StudyDirection.MAXIMIZE if higher_is_better else StudyDirection.MINIMIZE

    def create() -> optuna.Study:
        backend = location if "://" in location else _journal(Path(location))
        return optuna.create_study(
            storage=backend,
            study_name=name,
            direction=direction,
            pruner=pruner_of(pruner, epochs),
            load_if_exists=True,
        )

    try:
        return _retry(create) if "://" in location else create()
    except OSError:
        raise
    except Exception as error:
        public_name = "the URL" if "://" in location else storage
        raise BadInput(f"tune.storage: {public_name} cannot be opened by Optuna ({type(error).__name__})") from None


def _retry(create: Callable[[], optuna.Study]) -> optuna.Study:
    """Call `create` until it succeeds: another process may be creating the same tables and the same study."""
    from sqlalchemy.exc import DBAPIError  # only for a URL: a journal does not need SQLAlchemy

    for _ in range(OPEN_ATTEMPTS - 1):
        with suppress(DBAPIError, StorageInternalError, DuplicatedStudyError):
            return create()
        time.sleep(random.random())
    return create()


def _journal(path: Path) -> BaseStorage:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock_file = Path(f"{path}.lock")
    if lock_file.is_symlink():  # from an earlier version, whose locks remained for ever if their owner was killed
        lock_file.unlink(missing_ok=True)
    lock = JournalFileOpenLock(str(path), LOCK_SECONDS)
    backend = JournalFileBackend(str(path), lock)
    if _torn_bytes(path):
        lock.acquire()
        try:
            os.truncate(path, path.stat().st_size - _torn_bytes(path))
        finally:
            lock.release()
    return JournalStorage(backend)


def _torn_bytes(path: Path) -> int:
    """Return the length of a last line that a crash left incomplete. Optuna cannot read a line after it."""
    content = path.read_bytes()
    return len(content) - content.rfind(b"\n") - 1


def claim(study: optuna.Study, space: Space, budget: int, seed: int) -> Trial | None:
    """Return a new trial, first the one with the defaults, or None if the budget is spent.

    The sampler is seeded by (seed, place in the budget). So a trial does not depend on the process that runs it, nor on
    how often it was killed.
    """
    while len(counted_trials(study)) < budget:
        _queue_defaults(study, space)
        trial = study.ask()
        trial.set_user_attr(OWNER, _this_process())
        earlier = [other for other in counted_trials(study) if other.number < trial.number]
        repeats_defaults = DEFAULTS in trial.user_attrs and any(DEFAULTS in other.user_attrs for other in earlier)
        if len(earlier) < budget and not repeats_defaults:
            place = _free_place(study, trial.number)
            trial.set_user_attr(PLACE, place)
            numbers = np.random.SeedSequence((seed, place)).generate_state(1)
            study.sampler = TPESampler(seed=int(numbers[0]))
            return trial
        give_up(study, trial.number, "another process was faster")
    return None


def _free_place(study: optuna.Study, number: int) -> int:
    """Return the first place in the budget that no earlier trial has: that of a failed trial, if there is one.

    An earlier trial may be about to take its place in another process, so this waits for it for some seconds.
    """
    end = time.monotonic() + PLACE_SECONDS
    while True:
        places = [other.user_attrs.get(PLACE) for other in counted_trials(study) if other.number < number]
        if None not in places or time.monotonic() > end:
            return next(place for place in range(len(places) + 1) if place not in places)
        time.sleep(0.02)


def counted_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that count towards the budget: all except those that were given up."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.FAIL]


def _queue_defaults(study: optuna.Study, space: Space) -> None:
    if not any(DEFAULTS in trial.user_attrs for trial in counted_trials(study)):
        study.enqueue_trial(space.own, user_attrs={DEFAULTS: True})


def give_up(study: optuna.Study, number: int, reason: str) -> None:
    """Fail a trial that did not end, with the reason. Its place in the budget is free again."""
    end(study, number, None, reason, TrialState.FAIL)


def end(
    study: optuna.Study, number: int, value: float | None, reason: str = "", state: TrialState = TrialState.PRUNED
) -> None:
    """Record a trial's value or, without one, the reason. A result that another process recorded is kept."""
    with suppress(UpdateFinishedTrialError):
        if reason:
            attach(study, number, REASON, reason)
        study.tell(number, value, TrialState.COMPLETE if value is not None else state, skip_if_finished=True)


def attach(study: optuna.Study, number: int, name: str, value: Any) -> None:
    """Write an attribute of a running trial of any process. A trial that has ended meanwhile is unchanged."""
    trial = study.get_trials(deepcopy=False)[number]
    with suppress(UpdateFinishedTrialError):
        study._storage.set_trial_user_attr(trial._trial_id, name, value)


def give_up_dead_trials(study: optuna.Study, last_beats: dict[int, tuple[int, float]]) -> list[int]:
    """Give up running trials whose process is dead, and return their numbers.

    On this machine, the operating system knows whether a process is alive. On another machine, a process is dead if its
    beat has not changed for SILENT_SECONDS. A process without a name is dead after NAMELESS_SECONDS. This machine's
    clock counts: `last_beats` stores the last beat of each trial and the time when it was first read.
    """
    dead = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        owner = trial.user_attrs.get(OWNER)
        if owner and owner["host"] == _host():
            is_dead = not _is_alive(owner)
        else:
            beat = trial.user_attrs.get(BEAT, 0)
            last_beat, since = last_beats.get(trial.number, (None, 0.0))
            if beat != last_beat:
                last_beats[trial.number] = beat, time.monotonic()
            patience_seconds = SILENT_SECONDS if owner else NAMELESS_SECONDS
            is_dead = beat == last_beat and time.monotonic() - since > patience_seconds
        if is_dead:
            give_up(study, trial.number, "its process ended before it did")
            dead.append(trial.number)
    return dead


def _host() -> str:
    return f"{platform.node()} {uuid.getnode():x}"


def _this_process() -> dict[str, str | int | float]:
    return {"host": _host(), "pid": os.getpid(), "started": psutil.Process().create_time()}


def _is_alive(owner: dict) -> bool:
    try:
        process = psutil.Process(owner["pid"])
        same = abs(process.create_time() - owner["started"]) < 1
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
