"""Pseudo-labels: test images that a student trains on, with its teacher's probabilities as their labels.

Each model of a student learns from the teacher's model that was trained on the same rows. The two are matched by a
hash of these rows, never by a fold's name, so that nothing a student learns comes from rows that it is validated on.
"""

from pathlib import Path

import numpy as np

from features.labels.targets import confidence
from pipeline.config.schema import Member, PseudoLabels
from pipeline.storage import paths
from pipeline.storage.answers import answers_of_test
from pipeline.storage.files import BadInput
from pipeline.storage.predictions import SOURCES, load_aligned, load_sources
from pipeline.storage.task_data import TaskData
from pipeline.training.inputs import load_inputs
from pipeline.training.joined_images import Extra


def load_pseudo(member: Member, settings: PseudoLabels, rows: np.ndarray) -> Extra:
    """Return the test images and labels for the student's model with these training rows.

    Args:
        member: the student.
        settings: its block `pseudo_labels`.
        rows: the model's training rows. For a model on all rows, labels are the mean of the teacher's models.

    Raises:
        BadInput: the teacher has no model with exactly these rows, or no image reaches the least confidence.
    """
    folder, data = paths.predictions(member.task, settings.teacher), TaskData(member.task)
    own_source = data.source(rows)
    for path, source in load_sources(folder).items():
        if source == own_source:
            targets, usable = _labels(settings, data, path)
            columns = data.columns("test") if member.columns else None
            return Extra(load_inputs(member, "test"), targets, usable, settings.share, columns=columns)
    raise BadInput(
        f"{folder / SOURCES}: no probabilities come from just the {len(rows)} training rows, expected some; "
        f"run stage predict of {settings.teacher}"
    )


def teacher_line(task: str, settings: PseudoLabels) -> str:
    """Return a line with the number of test images that the models of a student train on."""
    data, sources = TaskData(task), load_sources(paths.predictions(task, settings.teacher))
    labels = [_labels(settings, data, path) for path in sources]
    counts, most = [len(usable) for _, usable in labels], len(labels[0][0])
    sure = " to ".join(f"{count:,}" for count in sorted({min(counts), max(counts)}))
    return f"{settings.teacher} is sure enough of {sure} of {most:,} test images"


def _labels(settings: PseudoLabels, data: TaskData, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return soft labels, float32 (n, classes), of the test images, and the rows that reach the least confidence.

    If several images have one answer, each of them has its probabilities.
    """
    least, answers = settings.least_confidence, answers_of_test(data)
    probabilities = load_aligned(path, answers.ids, data.classes, data.has_label_sets).probabilities
    soft_labels = probabilities[answers.answer_of_row]
    confidences = confidence(soft_labels, data.has_label_sets)
    if confidences.max() < least:
        raise BadInput(
            f"{path}: the surest image has confidence {confidences.max():.4f}, expected one with {least:g} or more"
        )
    return soft_labels, np.flatnonzero(confidences >= least)
