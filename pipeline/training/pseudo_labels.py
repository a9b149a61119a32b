"""Pseudo-labels: test images that a student trains on, with its teacher's probabilities as their labels.

Each model of a student learns from the teacher's model that was trained on the same rows. The two are matched by a
hash of these rows, never by a fold's name, so that nothing a student learns comes from rows that it is validated on.
"""

from pathlib import Path

import numpy as np

from features.labels.targets import confidence
from pipeline.config.schema import Member
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from pipeline.storage.predictions import SOURCES, load_aligned, load_sources
from pipeline.storage.task_data import TaskData
from pipeline.training.joined_images import Extra


def load_pseudo(member: Member, rows: np.ndarray) -> Extra:
    """Return the test images with the labels that a student's model of these training rows may learn.

    Args:
        member: the student.
        rows: the model's training rows; all of them get the mean of the teacher's models.

    Raises:
        BadInput: the teacher has no model of just these rows, or is sure of no image.
    """
    folder, data = _folder(member), TaskData(member.task)
    own_source = data.source(rows)
    for path, source in load_sources(folder).items():
        if source == own_source:
            targets, usable = _labels(member, data, path)
            return Extra(data.images("test", member.input), targets, usable, member.pseudo_labels.share)
    raise BadInput(
        f"{folder / SOURCES}: no probabilities come from just the {len(rows)} training rows, expected some; "
        f"run stage predict of {member.pseudo_labels.teacher}"
    )


def told(member: Member) -> str:
    """Return, for a person, from how many test images the models of a student learn."""
    found = [_labels(member, TaskData(member.task), path) for path in load_sources(_folder(member))]
    counts, most = [len(usable) for _, usable in found], len(found[0][0])
    sure = " to ".join(f"{count:,}" for count in sorted({min(counts), max(counts)}))
    return f"{member.pseudo_labels.teacher} is sure enough of {sure} of {most:,} test images"


def _folder(member: Member) -> Path:
    return paths.predictions(member.task, member.pseudo_labels.teacher)


def _labels(member: Member, data: TaskData, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return soft labels float32 (n, classes) of the test images, and the rows of which the teacher is sure enough."""
    least = member.pseudo_labels.least_confidence
    found = load_aligned(path, data.test_ids, data.classes, data.has_label_sets).probabilities
    sure = confidence(found, data.has_label_sets)
    if sure.max() < least:
        raise BadInput(f"{path}: the surest image has confidence {sure.max():.4f}, expected one with {least:g} or more")
    return found, np.flatnonzero(sure >= least)
