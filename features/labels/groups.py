"""Groups of rows that must stay in one fold: those of a column, joined by copies of one image."""

import numpy as np

LARGE_SHARE = 0.01  # of the rows: copies that join more rows than this are not used
SMALL_ROWS = 10  # groups of this size are always used, as they hardly change the sizes of folds


def join_copies(groups: np.ndarray, copies: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return groups (n,) that contain whole groups of copies, and the rows of each group of copies that is not used.

    A group of copies is not used if it would join other groups to one of more than LARGE_SHARE of the rows. The limit
    is higher if the largest two of `groups` together are larger: then any two groups can be joined. The smallest groups
    of copies are joined first.

    Args:
        groups: (n,), the first row of each row's group.
        copies: (n,), the first row of each row's group of copies.
    """
    groups, members = groups.copy(), _rows_by_group(groups)
    limit = max(LARGE_SHARE * len(groups), SMALL_ROWS, 2 * max(map(len, members.values()), default=0))
    unused = []
    for rows in sorted(_rows_by_group(copies).values(), key=len):
        joined = np.unique(groups[rows])
        if len(joined) == 1:
            continue
        if sum(len(members[group]) for group in joined.tolist()) > limit:
            unused.append(rows)
            continue
        members[joined[0]] = np.concatenate([members.pop(group) for group in joined.tolist()])
        groups[members[joined[0]]] = joined[0]
    return groups, unused


def first_rows(values: np.ndarray) -> np.ndarray:
    """Return, for every row (n,) int64, the first row with the same value. Rows with an empty text are alone."""
    _, firsts, inverse = np.unique(values, return_index=True, return_inverse=True)
    rows = firsts[inverse]
    return np.where(values == "", np.arange(len(values)), rows) if values.dtype.kind in "UO" else rows


def _rows_by_group(groups: np.ndarray) -> dict[int, np.ndarray]:
    order = np.argsort(groups, kind="stable")
    names, starts = np.unique(groups[order], return_index=True)
    return dict(zip(names.tolist(), np.split(order, starts[1:]), strict=True))
