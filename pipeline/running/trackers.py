"""Trackers of experiments, by the key `callbacks` of a member: each gets the figures of every epoch of every model."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from pipeline.config.schema import Member
from pipeline.storage import paths
from pipeline.storage.files import BadInput

Log = Callable[[dict], None]  # gets a row of the history


@dataclass(frozen=True)
class Training:
    """The training of one model, as a tracker shows it."""

    member: Member
    key: str  # the member's name
    model: str  # `fold-0`


def check_installed(key: str, trackers: Sequence[str]) -> None:
    """Check that the packages of a member's trackers are installed, without importing them.

    Raises:
        BadInput: a package is missing.
    """
    for name in trackers:
        if find_spec(name) is None:
            raise BadInput(
                f"{paths.PARAMS}: members.{key}.callbacks: the package {name} is not installed; "
                f"run `pip install {name}`, or remove {name!r}"
            )


@contextmanager
def tracking(trackers: tuple[str, ...], training: Training, history: list[dict]) -> Iterator[Log]:
    """Yield a function that gives a row of the history to each tracker. They get the rows so far at once.

    A resumed training is a new run of the tracker, with all of its epochs.
    """
    with ExitStack() as stack:
        logs = [stack.enter_context(TRACKERS[name](training)) for name in trackers]

        def log(row: dict) -> None:
            for tracker_log in logs:
                tracker_log(row)

        for row in history:
            log(row)
        yield log


@contextmanager
def _tensorboard(training: Training) -> Iterator[Log]:
    """Write event files. TensorBoard's own writer works with every backend; Keras's callback needs TensorFlow."""
    from tensorboard.summary import Writer

    folder = paths.TENSORBOARD / training.member.task / training.key / training.model
    shutil.rmtree(folder, ignore_errors=True)
    writer = Writer(str(folder))

    def log(row: dict) -> None:
        for name, value in _figures(row).items():
            writer.add_scalar(name, value, row["epoch"])
        writer.flush()

    try:
        yield log
    finally:
        writer.close()


@contextmanager
def _mlflow(training: Training) -> Iterator[Log]:
    import mlflow

    mlflow.set_experiment(training.member.task)
    with mlflow.start_run(run_name=f"{training.key} {training.model}"):
        mlflow.log_params(_settings(training.member))
        yield lambda row: mlflow.log_metrics(_figures(row), step=row["epoch"])


@contextmanager
def _wandb(training: Training) -> Iterator[Log]:
    import wandb

    settings, name = _settings(training.member), f"{training.key} {training.model}"
    with wandb.init(project=training.member.task, group=training.key, name=name, config=settings, reinit=True) as run:
        yield lambda row: run.log(_figures(row), step=row["epoch"])


TRACKERS: dict[str, Callable[[Training], AbstractContextManager[Log]]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
}


def _figures(row: dict) -> dict[str, float]:
    return {name: float(value) for name, value in row.items() if name != "epoch"}


def _settings(member: Member) -> dict[str, Any]:
    """Return the entry of a member with names such as `training.epochs`."""
    import pandas as pd  # here, as the stage roster would spend most of its time on it

    return pd.json_normalize(member.model_dump()).iloc[0].to_dict()
