"""The metric of a task: its entry, applied to the task's classes."""

from collections.abc import Sequence

from features.labels.metrics.metric import Metric
from features.labels.metrics.registry import metric_of
from features.labels.positive import positive_classes
from pipeline.storage import paths
from pipeline.storage.files import blame, load_json
from pipeline.storage.task_data import TaskData

ENTRY = {"name": str, "k": int, "positive": list | None}


def load_metric(data: TaskData) -> Metric:
    """Return the metric of a task's entry, as the stage `roster` writes it.

    Raises:
        BadInput: it does not fit the task's classes or labels.
    """
    entry = load_json(paths.entry("tasks", data.task, "metric"), ENTRY)
    return task_metric(data.task, entry["name"], entry["k"], entry["positive"], data.classes, data.has_label_sets)


def task_metric(
    task: str,
    name: str,
    k: int,
    positive: Sequence[int | str] | None,
    classes: Sequence[int | str],
    label_sets: bool,
) -> Metric:
    """Return the metric of a task.

    Args:
        task: its name.
        name: of the metric.
        k: the length of a ranking.
        positive: the classes that are judged against all others, if the entry declares them.
        classes: of the task.
        label_sets: whether an image can have several labels.

    Raises:
        BadInput: the metric does not fit the classes or the labels.
    """
    with blame(f"{paths.PARAMS}: tasks.{task}"):
        indices = positive_classes(classes, positive)
        return metric_of(name, len(classes), label_sets, indices, k)
