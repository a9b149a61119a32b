"""What a member's model gets for each row: an image, its items, or its feature vector."""

import numpy as np

from pipeline.config.schema import Member, Predict
from pipeline.storage.task_data import TaskData


def load_inputs(member: Member, split: str) -> np.ndarray:
    """Return the inputs (n, ...) of `train` or `test`, memory-mapped.

    Raises:
        BadInput: a file is damaged, or feature vectors cannot be computed.
    """
    if member.architecture != "features":
        return TaskData(member.task).images(split, member.input)
    from pipeline.training.vectors import load_vectors  # imports the backbones

    return load_vectors(member, split)


def test_time_augmentation(member: Member, options: Predict) -> Predict:
    """Return the views whose predictions are averaged: feature vectors are means over views of their own."""
    return Predict() if member.architecture == "features" else options
