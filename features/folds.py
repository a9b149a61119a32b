"""The split of training rows into folds."""

import numpy as np
from sklearn.model_selection import StratifiedKFold, train_test_split

ALWAYS_TRAINING = -1


def assign_folds(labels: np.ndarray, groups: np.ndarray, count: int, holdout_share: float, seed: int) -> np.ndarray:
    """Return the fold (n,) in which each row is a validation row, stratified by label.

    Rows of one group (copies of one image) share a fold, so that no copy of a validation row is trained on. With
    `count` 1, fold 0 is a hold-out of `holdout_share` and every other row is ALWAYS_TRAINING.

    Args:
        labels: class indices (n,).
        groups: (n,), the index of the first row of each row's group.

    Raises:
        ValueError: a class has fewer distinct images than folds.
    """
    firsts = np.unique(groups)
    values, sizes = np.unique(labels[firsts], return_counts=True)
    needed = max(count, 2)
    if sizes.min() < needed:
        scarce = values[sizes.argmin()]
        raise ClassTooSmall(int(scarce), int(sizes.min()), needed)
    fold_of_first = np.full(len(labels), ALWAYS_TRAINING)
    if count == 1:
        _, held_out = train_test_split(firsts, test_size=holdout_share, stratify=labels[firsts], random_state=seed)
        fold_of_first[held_out] = 0
    else:
        folds = StratifiedKFold(count, shuffle=True, random_state=seed)
        for fold, (_, held_out) in enumerate(folds.split(firsts, labels[firsts])):
            fold_of_first[firsts[held_out]] = fold
    return fold_of_first[groups]


class ClassTooSmall(ValueError):
    """A class cannot be spread over the folds; carries the class index, for whoever knows its name."""

    def __init__(self, index: int, rows: int, needed: int) -> None:
        super().__init__(f"class index {index} has {rows} distinct rows, expected at least {needed}")
        self.index, self.rows, self.needed = index, rows, needed
