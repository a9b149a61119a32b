"""Groups of rows that must stay in one fold: those of a column, joined by copies of one image."""

import numpy as np

LARGE_SHARE = 0.01  # of the rows: a larger group of copies is probably one of different images
SMALL_ROWS = 10  # a group of copies of this size is never too large


def most_copies(rows: int) -> int:
    """Return the size up to which a group of copies is used, in a data set of `rows` rows."""
    return max(int(LARGE_SHARE * rows), SMALL_ROWS)


def join_copies(groups: np.ndarray, copies: np.ndarray, limit: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return groups (n,) that contain whole groups of copies, and the rows of each group of copies that is not used.

    A group of copies is not used if it would join other groups to one of more than `limit` rows. The smallest groups of
    copies are joined first.

    Args:
        groups: (n,), the first row of each row's group.
        copies: (n,), the first row of each row's group of copies.
        limit: rows.
    """
    groups, members, unused = groups.copy(), _rows_by_group(groups), []
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
