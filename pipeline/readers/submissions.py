"""CSV files in a submission's format, and the form of a task's sample submission."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.labels.metrics.metric import Metric
from features.labels.positive import positive_classes
from pipeline.config.schema import Task
from pipeline.readers.csv_table import read_text, sniff
from pipeline.readers.id_spellings import check_unique
from pipeline.readers.raw import tidy
from pipeline.storage import paths
from pipeline.storage.files import BadInput, blame
from pipeline.storage.task_metric import task_metric
from submissions.rules.forms import Form, form_of, id_position

ORDERED = "quadratic_kappa"  # the metric of ordered classes


@dataclass(frozen=True)
class Sample:
    """A sample submission."""

    path: Path
    table: pd.DataFrame  # unchanged texts
    ids: np.ndarray  # (n,) int64 or text


def read_csv(path: Path) -> pd.DataFrame:
    """Return a CSV with a header and at least two columns. Cells are unchanged texts.

    Raises:
        BadInput: the file is not such a table, or has no rows.
    """
    table = sniff(path)
    if table.names is None or table.width < 2:
        raise BadInput(f"{path}: expected a header and two columns, the id and the label")
    return read_text(table).set_axis(table.names, axis=1)


def read_sample(task: Task) -> Sample:
    """Return the sample submission of a task.

    Raises:
        BadInput: the file is no CSV with two columns or more, or an id is empty or occurs twice.
    """
    path = Path(task.ingest.folder, task.ingest.sample_submission)
    table = read_csv(path)
    with blame(path):
        ids = tidy(table.iloc[:, id_position(table)].to_numpy(object), "id")
        check_unique(ids)
    return Sample(path, table, ids)


def submission_form(
    key: str, task: Task, sample: Sample, classes: Sequence[int | str], label_sets: bool
) -> tuple[Form, Metric]:
    """Return the form of a task's submission, and the task's metric.

    Args:
        key: the task's name.
        task: its entry.
        sample: its sample submission.
        classes: its classes.
        label_sets: whether an image can have several labels.

    Raises:
        BadInput: the sample, the entry, the classes and the metric do not match each other.
    """
    declared = task.submission
    if task.metric.name == ORDERED and task.ingest.classes is None and any(isinstance(name, str) for name in classes):
        examples = ", ".join(map(str, classes[:5]))
        raise BadInput(
            f"{paths.PARAMS}: tasks.{key}.metric: {ORDERED} is for ordered classes, and names ({examples}) have no "
            f"order; list them in their order in tasks.{key}.ingest.classes"
        )
    metric = task_metric(key, task.metric.name, task.metric.k, declared.positive, classes, label_sets)
    with blame(f"{sample.path} and tasks.{key} of {paths.PARAMS}"):
        form = form_of(
            sample.table,
            list(classes),
            metric,
            label_sets=label_sets,
            separator=task.ingest.train.label_separator,
            kind=declared.form,
            positive=positive_classes(classes, declared.positive),
        )
    return form, metric
