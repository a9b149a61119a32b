"""Split training rows into folds whose groups (patients, cameras, plants) stay together, or by time."""

import numpy as np
from scipy.sparse import csr_array, hstack

from features.labels.folds import ALWAYS_TRAINING, least_images


def assign_grouped_folds(
    labels: np.ndarray, groups: np.ndarray, count: int, holdout_share: float, seed: int
) -> np.ndarray:
    """Return the fold (n,) in which each row is a validation row, stratified by label, with whole groups.

    The groups are distributed one by one, first those with the largest share of a class. Each goes to the fold where
    it reduces the chi-square distance between the fold's labels and its target most. StratifiedGroupKFold of
    scikit-learn is similar, but supports neither label sets nor a hold-out of a given share.

    With `count` 1, fold 0 is a hold-out of about `holdout_share`, and every other row is ALWAYS_TRAINING. So are the
    groups with no other classes than those that occur in fewer groups than there are folds.

    Args:
        labels: class indices (n,), or indicators of label sets (n, labels).
        groups: (n,), one number for each group.

    Raises:
        ValueError: there are fewer groups than folds, or fewer than two classes (or, for label sets, no label) that
            occur in as many groups as there are folds.
    """
    group_of_row = np.unique(groups, return_inverse=True)[1]
    indicators = _indicators(labels)
    is_scored = ~_has_only_small_classes(indicators, group_of_row, count)
    rows = np.flatnonzero(is_scored[group_of_row])
    classes, least = int((indicators[rows].sum(axis=0) > 0).sum()), 1 if labels.ndim == 2 else 2
    if classes < least:
        raise ValueError(f"{classes} classes are in {least_images(count)} groups or more, expected {least} for folds")
    if is_scored.sum() < least_images(count):
        raise ValueError(f"{is_scored.sum()} groups, expected at least {least_images(count)} for folds")
    shares = np.full(count, 1 / count) if count > 1 else np.array([holdout_share, 1 - holdout_share])
    parts = _distribute(indicators[rows], group_of_row[rows], shares, seed)
    if len(np.unique(parts)) < len(shares):
        raise ValueError(f"{is_scored.sum()} groups of too different sizes for {len(shares)} parts with whole groups")
    folds = np.full(len(labels), ALWAYS_TRAINING)
    folds[rows] = parts if count > 1 else np.where(parts == 0, 0, ALWAYS_TRAINING)
    return folds


def assign_latest_rows(times: np.ndarray, groups: np.ndarray, share: float) -> np.ndarray:
    """Return 0 for the latest `share` of the rows (n,), which validate, and ALWAYS_TRAINING for the others.

    Rows of equal time are on one side. A group validates if its latest row does, so that no training row is later than
    a training group's end or belongs to a validation row's group.

    Args:
        times: (n,) float.
        groups: (n,), one number for each group.

    Raises:
        ValueError: all rows have one time.
    """
    group_of_row = np.unique(groups, return_inverse=True)[1]
    ends = np.full(group_of_row.max() + 1, -np.inf)
    np.maximum.at(ends, group_of_row, times)
    ends = ends[group_of_row]
    values, sizes = np.unique(ends, return_counts=True)
    if len(values) == 1:
        raise ValueError("every row (with its group) has the same time, expected earlier and later rows")
    later_rows = np.cumsum(sizes[::-1])[::-1]  # with this time or a later one
    cut = np.flatnonzero(later_rows >= share * len(times))[-1]
    return np.where(ends >= values[max(cut, 1)], 0, ALWAYS_TRAINING)


def _indicators(labels: np.ndarray) -> csr_array:
    """Return indicators (n, classes) of the labels."""
    if labels.ndim == 2:
        return csr_array(labels.astype(float))
    return csr_array((np.ones(len(labels)), labels, np.arange(len(labels) + 1)), (len(labels), labels.max() + 1))


def _group_sums(rows: csr_array, group_of_row: np.ndarray) -> csr_array:
    """Return the sums (groups, columns) of the rows (n, columns) of each group."""
    members = csr_array((np.ones(len(group_of_row)), (group_of_row, np.arange(len(group_of_row)))))
    return (members @ rows).tocsr()


def _has_only_small_classes(indicators: csr_array, group_of_row: np.ndarray, count: int) -> np.ndarray:
    """Return whether each row of a group (groups,) has a class that occurs in fewer groups than there are folds.

    Removing such groups may make another label of their sets too small, so the search is repeated.
    """
    group_sizes = np.bincount(group_of_row)
    has_class = _group_sums(indicators, group_of_row) > 0
    is_small_group = np.zeros(len(group_sizes), bool)
    while True:
        groups_of_class = np.asarray(has_class[~is_small_group].sum(axis=0)).ravel()
        is_small_class = (groups_of_class > 0) & (groups_of_class < least_images(count))
        small_rows = np.bincount(group_of_row, (indicators @ is_small_class.astype(float)) > 0, len(group_sizes))
        more = (small_rows == group_sizes) & ~is_small_group
        if not more.any():
            return is_small_group
        is_small_group |= more


def _distribute(indicators: csr_array, group_of_row: np.ndarray, shares: np.ndarray, seed: int) -> np.ndarray:
    """Return the part (n,) of each row, so that each part has its share of every class and of the rows."""
    group_of_row = np.unique(group_of_row, return_inverse=True)[1]
    counts = _group_sums(hstack([indicators, np.ones((len(group_of_row), 1))], "csr"), group_of_row)
    totals = np.asarray(counts.sum(axis=0)).ravel()
    largest_shares = (counts / np.maximum(totals, 1)).max(axis=1).toarray().ravel()
    shuffled = np.random.default_rng(seed).permutation(counts.shape[0])
    targets = np.outer(shares, totals)
    filled, part_of_group = np.zeros_like(targets), np.empty(counts.shape[0], int)
    for group in shuffled[np.argsort(-largest_shares[shuffled], kind="stable")]:
        entries = slice(counts.indptr[group], counts.indptr[group + 1])
        columns, values = counts.indices[entries], counts.data[entries]
        excess = 2 * (filled[:, columns] - targets[:, columns]) + values
        part = part_of_group[group] = int((values * excess / targets[:, columns]).sum(axis=1).argmin())
        filled[part, columns] += values
    return part_of_group[group_of_row]
