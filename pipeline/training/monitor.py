"""The figure of the history that decides which epoch is kept and which trial is best."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.config.schema import Member
from pipeline.storage.histories import COLUMNS, metric_column
from pipeline.storage.task_data import TaskData
from pipeline.storage.task_metric import load_metric


@dataclass(frozen=True)
class Monitor:
    """A column of the history."""

    column: str
    higher_is_better: bool
    keeps_last: bool = False  # whether the last epoch is kept, whatever its value
    first_epoch: int = 0  # earlier ones are not kept, because they saw smaller images

    @property
    def mode(self) -> str:
        """Return the mode of Keras's callbacks."""
        return "max" if self.higher_is_better else "min"


def monitor_of(member: Member) -> Monitor:
    """Return what decides which of a member's epochs is kept: the task's metric, or what its entry names."""
    training = member.training
    keeps_last = training.kept_epoch == "last"
    first_epoch = ends_of_parts(training.epochs, len(training.progressive_pixels) + 1)[-2]
    if training.monitor != "metric":
        return Monitor(training.monitor, training.monitor == "val_accuracy", keeps_last, first_epoch)
    metric = load_metric(TaskData(member.task))
    return Monitor(metric_column(metric), metric.higher_is_better, keeps_last, first_epoch)


def ends_of_parts(epochs: int, parts: int, start_epoch: int = 0) -> list[int]:
    """Return where equal parts of the epochs from `start_epoch` on begin, and where the last one ends."""
    return np.linspace(start_epoch, epochs, parts + 1).round().astype(int).tolist()


def training_values(member: Member) -> dict[str, Any]:
    """Return the member's values that change its models: with the column that is monitored, and the metric behind it.

    So a new metric trains nothing again if the epochs are chosen by another figure.
    """
    values, column = member.model_dump(), monitor_of(member).column
    values["training"]["monitor"] = column
    if member.training.monitor == "metric" and column not in COLUMNS.values():
        values["metric"] = metric_values(member)
    return values


def metric_values(member: Member) -> list[Any]:
    """Return what identifies the metric of a member's task."""
    metric = load_metric(TaskData(member.task))
    return [metric.name, metric.k, metric.positive]


def best_epoch(history: list[dict], monitor: Monitor) -> int:
    """Return the index of the epoch with the best value of the monitor, the first of equals.

    Without validation, or if the monitor keeps the last epoch, it is the last one.
    """
    return best_epochs(history, monitor, 1)[0]


def best_epochs(history: list[dict], monitor: Monitor, count: int) -> list[int]:
    """Return the indices of at most `count` epochs, the one with the best value of the monitor first.

    Without validation, before the monitor's first epoch, or if it keeps the last epoch, they are the last epochs, the
    latest first.
    """
    is_early = len(history) <= monitor.first_epoch
    start = 0 if is_early else monitor.first_epoch
    if is_early or monitor.keeps_last or monitor.column not in history[-1]:
        return list(range(start, len(history)))[::-1][:count]
    sign = -1 if monitor.higher_is_better else 1
    values = np.nan_to_num([sign * row[monitor.column] for row in history[start:]], nan=np.inf)
    return (start + np.argsort(values, kind="stable")[:count]).tolist()
