"""The parts of the out-of-fold rows: each is scored by what was fitted on the others."""

import numpy as np

FEW_FOLDS_PARTS = 5
LEAST_PARTS = 3  # so that two can be left out


def scoring_parts(folds: np.ndarray) -> np.ndarray:
    """Return the part (n,) in which each row is scored, from 0: its fold, or one of five parts with too few folds."""
    _, parts = np.unique(folds, return_inverse=True)
    return parts if parts.max() + 1 >= LEAST_PARTS else np.arange(len(folds)) % FEW_FOLDS_PARTS
