"""A member's study: what was tried, by whom, and what may be tried next, shared safely by several processes.

Every trial has a number that no other has, so whoever takes one counts the trials before it: that is how a budget holds
for all processes together without a lock, on any storage. A trial's owner writes down who it is and that it lives; a
trial whose owner is gone is failed, and its place in the budget is free again.
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
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from pipeline.storage.files import BadInput
from pipeline.tuning.space import Space

OPEN_ATTEMPTS = 8
LOCK_SECONDS = 30  # after which the journal's lock is taken from a process that was killed while it held it
BEAT_SECONDS = 30
SILENT_SECONDS = 180  # after which a trial of another machine counts as dead
NAMELESS_SECONDS = 20  # after which one counts as dead whose owner was killed before it gave its name
REASON, DEFAULTS, OWNER, BEAT = "reason", "defaults", "owner", "beat"  # attributes of a trial
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)

optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_study(storage: str, name: str, pruner: str, epochs: int) -> optuna.Study:
    """Return the study of that name, made where there is none.

    Args:
        storage: the path of a journal, or an Optuna URL; $NAME is taken from the environment.
        name: of the study.
        pruner: median, hyperband or none.
        epochs: of a whole trial.

    Raises:
        BadInput: the storage cannot be opened; an URL, which may hold a password, is not told.
    """
    opened = os.path.expandvars(storage)

    def create() -> optuna.Study:
        backend = opened if "://" in opened else _journal(Path(opened))
        return optuna.create_study(
            storage=backend, study_name=name, direction="maximize", pruner=_pruner(pruner, epochs), load_if_exists=True
        )

    try:
        return _retried(create) if "://" in opened else create()
    except OSError:
        raise
    except Exception as error:
        shown = "the URL" if "://" in opened else storage
        raise BadInput(f"tune.storage: {shown} cannot be opened by Optuna ({type(error).__name__})") from None


def _retried(create: Callable[[], optuna.Study]) -> optuna.Study:
    """Return what `create` returns, at last: other processes may make the same tables and the same study just now."""
    from sqlalchemy.exc import DBAPIError  # a journal does without

    for _ in range(OPEN_ATTEMPTS - 1):
        with suppress(DBAPIError, StorageInternalError, DuplicatedStudyError):
            return create()
        time.sleep(random.random())
    return create()


def _journal(path: Path) -> BaseStorage:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock_file = Path(f"{path}.lock")
    if lock_file.is_symlink():  # of an earlier version, whose locks stayed for ever if their owner was killed
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
    """Return the length of a last line that a crash left half-written; Optuna would choke on it after the next line."""
    content = path.read_bytes()
    return len(content) - content.rfind(b"\n") - 1


def _pruner(name: str, epochs: int) -> BasePruner:
    if name == "median":
        return MedianPruner(n_startup_trials=5, n_warmup_steps=epochs // 3)
    return HyperbandPruner(min_resource=1, max_resource=epochs) if name == "hyperband" else NopPruner()


def claim(study: optuna.Study, space: Space, budget: int, seed: int) -> Trial | None:
    """Return a new trial with its values suggested, the defaults' first, or None where the budget is taken.

    The sampler is seeded by (seed, place in the budget), so that what a trial is does not depend on who runs it, nor on
    how often it was killed.
    """
    while len(counted(study)) < budget:
        _queue_defaults(study, space)
        trial = study.ask()
        trial.set_user_attr(OWNER, _me())
        before = [each for each in counted(study) if each.number < trial.number]
        twice = DEFAULTS in trial.user_attrs and any(DEFAULTS in each.user_attrs for each in before)
        if len(before) < budget and not twice:
            numbers = np.random.SeedSequence((seed, len(before))).generate_state(1)
            study.sampler = TPESampler(seed=int(numbers[0]))
            return trial
        give_up(study, trial.number, "another process was faster")
    return None


def counted(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that take a place in the budget: all but those that were given up."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.FAIL]


def _queue_defaults(study: optuna.Study, space: Space) -> None:
    if not any(DEFAULTS in trial.user_attrs for trial in counted(study)):
        study.enqueue_trial(space.own, user_attrs={DEFAULTS: True})


def give_up(study: optuna.Study, number: int, reason: str) -> None:
    """Fail a trial that never came to an end, with the reason; its place in the budget is free again."""
    end(study, number, None, reason, TrialState.FAIL)


def end(
    study: optuna.Study, number: int, value: float | None, reason: str = "", state: TrialState = TrialState.PRUNED
) -> None:
    """Tell a trial's value or, where it has none, why; what another process has told already stays."""
    with suppress(UpdateFinishedTrialError):
        if reason:
            attach(study, number, REASON, reason)
        study.tell(number, value, TrialState.COMPLETE if value is not None else state, skip_if_finished=True)


def attach(study: optuna.Study, number: int, name: str, value: Any) -> None:
    """Write an attribute of a running trial, this process's or another's; one that ended meanwhile stays as it is."""
    trial = study.get_trials(deepcopy=False)[number]
    with suppress(UpdateFinishedTrialError):
        study._storage.set_trial_user_attr(trial._trial_id, name, value)


def give_up_the_dead(study: optuna.Study, signs: dict[int, tuple[int, float]]) -> list[int]:
    """Give up running trials whose process is gone, and return their numbers.

    A process of this machine is looked up. One of another machine is gone when it has given no sign of life for
    SILENT_SECONDS, one that never gave its name after NAMELESS_SECONDS, by this machine's clock: `signs` remembers the
    last beat of each and when it was seen first.
    """
    dead = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        owner = trial.user_attrs.get(OWNER)
        if owner and owner["host"] == _host():
            gone = not _lives(owner)
        else:
            beat = trial.user_attrs.get(BEAT, 0)
            known, since = signs.get(trial.number, (None, 0.0))
            if beat != known:
                signs[trial.number] = beat, time.monotonic()
            patience_seconds = SILENT_SECONDS if owner else NAMELESS_SECONDS
            gone = beat == known and time.monotonic() - since > patience_seconds
        if gone:
            give_up(study, trial.number, "its process ended before it did")
            dead.append(trial.number)
    return dead


def _host() -> str:
    return f"{platform.node()} {uuid.getnode():x}"


def _me() -> dict[str, str | int | float]:
    return {"host": _host(), "pid": os.getpid(), "started": psutil.Process().create_time()}


def _lives(owner: dict) -> bool:
    try:
        process = psutil.Process(owner["pid"])
        same = abs(process.create_time() - owner["started"]) < 1
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
