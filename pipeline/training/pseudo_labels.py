"""Pseudo-labels: test images that a student trains on, with its teacher's probabilities as their labels.

Each model of a student learns from the teacher's model that was trained on the same rows. The two are matched by a
hash of these rows, never by a fold's name, so that nothing a student learns comes from rows that it is validated on.
"""

from pathlib import Path

import numpy as np

from features.labels.targets import confidence
from pipeline.config.schema import Member
from pipeline.storage import paths
from pipeline.storage.checkpoint import source_of
from pipeline.storage.files import BadInput, load_array
from pipeline.storage.images import load_about
from pipeline.storage.predictions import SOURCES, load_aligned, load_sources
from pipeline.training.joined_images import Extra


def load_pseudo(member: Member, images: Path, rows: np.ndarray) -> Extra:
    """Return the test images with the labels that a student's model of these training rows may learn.

    Args:
        member: the student.
        images: the folder that `prepare` made.
        rows: the model's training rows; all of them get the mean of the teacher's models.

    Raises:
        BadInput: the teacher has no model of just these rows, or is sure of no image.
    """
    folder, wanted = _folder(member), source_of(images, rows)
    for path, source in load_sources(folder).items():
        if source == wanted:
            targets, usable = _labels(member, images, path)
            return Extra(load_array(images / f"test_{member.input}.npy"), targets, usable, member.pseudo_labels.share)
    raise BadInput(
        f"{folder / SOURCES}: no probabilities come from just the {len(rows)} training rows, expected some; "
        f"run stage predict of {member.pseudo_labels.teacher}"
    )


def told(member: Member) -> str:
    """Return, for a person, from how many test images the models of a student learn."""
    found = [_labels(member, paths.images(member.task), path) for path in load_sources(_folder(member))]
    counts, most = [len(usable) for _, usable in found], len(found[0][0])
    sure = " to ".join(f"{count:,}" for count in sorted({min(counts), max(counts)}))
    return f"{member.pseudo_labels.teacher} is sure enough of {sure} of {most:,} test images"


def _folder(member: Member) -> Path:
    return paths.predictions(member.task, member.pseudo_labels.teacher)


def _labels(member: Member, images: Path, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return soft labels float32 (n, classes) of the test images, and the rows of which the teacher is sure enough."""
    ids, classes = load_array(images / "test_ids.npy"), load_about(images)["classes"]
    label_sets, least = load_array(images / "train_labels.npy").ndim == 2, member.pseudo_labels.least_confidence
    found = load_aligned(path, ids, classes, label_sets).probabilities
    sure = confidence(found, label_sets)
    if sure.max() < least:
        raise BadInput(f"{path}: the surest image has confidence {sure.max():.4f}, expected one with {least:g} or more")
    return found, np.flatnonzero(sure >= least)
