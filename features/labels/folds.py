"""Split training rows into folds."""

import math

import numpy as np
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold, MultilabelStratifiedShuffleSplit
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

ALWAYS_TRAINING = -1


def assign_folds(labels: np.ndarray, groups: np.ndarray, count: int, holdout_share: float, seed: int) -> np.ndarray:
    """Return the fold (n,) in which each row is a validation row, stratified by label.

    Label sets are stratified label by label (Sechidis et al., "On the Stratification of Multi-Label Data", 2011).

    Rows of one group (copies of one image) share a fold, so no copy of a validation row is in its training rows. With
    `count` 1, fold 0 is a hold-out of `holdout_share`, with at least one row of each class, and every other row is
    ALWAYS_TRAINING. The rows of classes with fewer distinct images than folds are ALWAYS_TRAINING, too; see
    `rows_of_small_classes`.

    Args:
        labels: class indices (n,), or indicators of label sets (n, labels).
        groups: (n,), the index of the first row of each row's group.

    Raises:
        ValueError: fewer than two classes (or, for label sets, no label) have as many distinct images as folds.
    """
    is_sets, firsts = labels.ndim == 2, np.unique(groups)
    firsts = np.setdiff1d(firsts, rows_of_small_classes(labels, groups, count))
    classes = int(labels[firsts].any(axis=0).sum()) if is_sets else len(np.unique(labels[firsts]))
    least = 1 if is_sets else 2
    if classes < least:
        raise ValueError(
            f"{classes} classes have {least_images(count)} distinct images or more, expected {least} for folds"
        )
    if count == 1:
        splitter = MultilabelStratifiedShuffleSplit if is_sets else StratifiedShuffleSplit
        rows = _holdout_rows(labels[firsts], holdout_share)
        folds = splitter(n_splits=1, test_size=rows, random_state=seed)
    else:
        splitter = MultilabelStratifiedKFold if is_sets else StratifiedKFold
        folds = splitter(n_splits=count, shuffle=True, random_state=seed)
    fold_of_first = np.full(len(labels), ALWAYS_TRAINING)
    for fold, (_, held_out) in enumerate(folds.split(firsts, labels[firsts])):
        fold_of_first[firsts[held_out]] = fold
    return fold_of_first[groups]


def rows_of_small_classes(labels: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Return the rows (k,) int64 of classes with fewer distinct images than folds.

    For label sets, these are the sets with such a label. Removing them may make another label too small, so the search
    is repeated.
    """
    firsts = np.unique(groups)
    indicators = labels if labels.ndim == 2 else np.eye(labels.max() + 1, dtype=bool)[labels]
    is_kept = np.ones(len(firsts), bool)
    while True:
        sizes = indicators[firsts[is_kept]].sum(axis=0)
        is_small = indicators[firsts][:, (sizes > 0) & (sizes < least_images(count))].any(axis=1) & is_kept
        if not is_small.any():
            return np.flatnonzero(~np.isin(groups, firsts[is_kept]))
        is_kept &= ~is_small


def least_images(count: int) -> int:
    """Return the number of distinct images (or groups) that a class needs to be validated on."""
    return max(count, 2)  # with a hold-out, one image must stay for training


def _holdout_rows(labels: np.ndarray, share: float) -> int:
    """Return the size of a hold-out. With single labels, both sides get at least as many rows as there are classes."""
    least = 1 if labels.ndim == 2 else len(np.unique(labels))
    return min(max(math.ceil(share * len(labels)), least), len(labels) - least)
