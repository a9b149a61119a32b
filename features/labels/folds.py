"""The split of training rows into folds."""

import numpy as np
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold, MultilabelStratifiedShuffleSplit
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

ALWAYS_TRAINING = -1


def assign_folds(labels: np.ndarray, groups: np.ndarray, count: int, holdout_share: float, seed: int) -> np.ndarray:
    """Return the fold (n,) in which each row is a validation row, stratified by label.

    Label sets are stratified label by label (Sechidis et al., "On the Stratification of Multi-Label Data", 2011).

    Rows of one group (copies of one image) share a fold, so that no copy of a validation row is trained on. With
    `count` 1, fold 0 is a hold-out of `holdout_share` and every other row is ALWAYS_TRAINING.

    Args:
        labels: class indices (n,), or indicators of label sets (n, labels).
        groups: (n,), the index of the first row of each row's group.

    Raises:
        ValueError: a class has fewer distinct images than folds.
    """
    firsts = np.unique(groups)
    if labels.ndim == 2:
        values, sizes = np.arange(labels.shape[1]), labels[firsts].sum(axis=0)
        k_fold, holdout = MultilabelStratifiedKFold, MultilabelStratifiedShuffleSplit
    else:
        values, sizes = np.unique(labels[firsts], return_counts=True)
        k_fold, holdout = StratifiedKFold, StratifiedShuffleSplit
    needed = max(count, 2)
    if sizes.min() < needed:
        scarce = values[sizes.argmin()]
        raise ClassTooSmall(int(scarce), int(sizes.min()), needed)
    if count == 1:
        folds = holdout(n_splits=1, test_size=holdout_share, random_state=seed)
    else:
        folds = k_fold(n_splits=count, shuffle=True, random_state=seed)
    fold_of_first = np.full(len(labels), ALWAYS_TRAINING)
    for fold, (_, held_out) in enumerate(folds.split(firsts, labels[firsts])):
        fold_of_first[firsts[held_out]] = fold
    return fold_of_first[groups]


class ClassTooSmall(ValueError):
    """A class cannot be spread over the folds; carries the class index, for whoever knows its name."""

    def __init__(self, index: int, rows: int, needed: int) -> None:
        super().__init__(f"class index {index} has {rows} distinct rows, expected at least {needed}")
        self.index, self.rows, self.needed = index, rows, needed
