"""Classes of unequal frequency: their shares as logits, rows with equally many of each, and what fits which labels."""

import numpy as np

from pipeline.config.schema import Member
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from pipeline.storage.task_data import TaskData

SHIFTED = ("class_weights", "balanced_sampling", "logit_adjustment")  # they train as if classes were equally frequent
FOR_LABEL_SETS = ("none", "class_weights", "focal")


def check_imbalance(member: Member, key: str) -> None:
    """Refuse a `training.imbalance` that does not fit the labels.

    Raises:
        BadInput: it is for one label for each image, and images can have several.
    """
    imbalance = member.training.imbalance
    if imbalance not in FOR_LABEL_SETS and TaskData(member.task).has_label_sets:
        raise BadInput(
            f"{paths.PARAMS}: members.{key}.training.imbalance: {imbalance!r} is for one label for each image, "
            f"expected one of {', '.join(FOR_LABEL_SETS)} for label sets"
        )


def prior_logits(targets: np.ndarray, has_label_sets: bool) -> np.ndarray:
    """Return the logarithm of each class's share of the rows, or of each label's odds, float32 (classes,).

    A class without rows counts as one row, so that everything is finite.

    Args:
        targets: (rows, classes).
        has_label_sets: whether an image can have several labels.
    """
    rows, counts = len(targets), np.maximum(targets.sum(axis=0), 1)
    others = np.maximum(rows - counts, 1) if has_label_sets else rows
    return np.log(counts / others).astype(np.float32)


def balanced_rows(rows: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return as many rows, (n,) up to rounding, with equally many of each class that occurs.

    Rows of rare classes are repeated, each equally often, and some rows of frequent classes are left out.

    Args:
        rows: (n,).
        classes: the class of each row (n,).
        rng: source of randomness.
    """
    present = np.unique(classes)
    count = -(-len(rows) // len(present))
    return np.concatenate([np.resize(rng.permutation(rows[classes == index]), count) for index in present])
