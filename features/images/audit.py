"""Audit the images before training: balance, duplicates, conflicting labels, constant images, items."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from features.labels.groups import most_copies

EXAMPLES = 20


def row_digests(parts: Iterable[np.ndarray]) -> list[bytes]:
    """Return a blake2b digest of every row of `parts`, consecutive arrays (rows, ...). It is equal for equal rows."""
    return [hashlib.blake2b(row.data, digest_size=16).digest() for part in parts for row in np.ascontiguousarray(part)]


def groups_of(digests: list[bytes]) -> np.ndarray:
    """Return, for every row (n,) int64, the first row with the same digest."""
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(digest, row) for row, digest in enumerate(digests)], np.int64)


def constant_rows(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Return the rows (k,) int64 of `parts`, consecutive arrays (rows, h, w, c), with a single value."""
    flags = [(part == part[:, :1, :1, :1]).all(axis=(1, 2, 3)) for part in parts]
    return np.flatnonzero(np.concatenate(flags)) if flags else np.empty(0, np.int64)


def unlocated_rows(parts: Iterable[tuple[np.ndarray, np.ndarray]], black: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (k,) int64 with an item that was not found, and the rows (m,) int64 with pixels in no item.

    `parts` are consecutive pairs: images on black (rows, h, w, c), and the items cut out of them (rows, count, h, w,
    c). A pixel is black if no channel exceeds `black`.
    """
    is_missing, has_dropped_pixels = [np.empty(0, bool)], [np.empty(0, bool)]
    for images, items in parts:
        bright_pixels, item_pixels = np.any(images > black, axis=3), np.any(items > black, axis=4)
        is_missing.append(~item_pixels.any(axis=(2, 3)).all(axis=1))
        has_dropped_pixels.append(bright_pixels.sum(axis=(1, 2)) > item_pixels.sum(axis=(1, 2, 3)))
    return np.flatnonzero(np.concatenate(is_missing)), np.flatnonzero(np.concatenate(has_dropped_pixels))


def item_numbers(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for every item of the images, int64 (n, count) and (m, count). Equal pixels have equal numbers.

    `train` and `test` are the items cut out of the images (n or m, count, h, w, c).
    """
    numbers = groups_of(row_digests(image for images in (train, test) for image in images))
    count = train.shape[1]
    return numbers[: len(train) * count].reshape(-1, count), numbers[len(train) * count :].reshape(-1, count)


def rows_of_known_items(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (k,) and (l,) int64 whose items all occur in other training images, so memory can answer them.

    `train` (n, count) and `test` (m, count) are numbers of items. All items that were not found have the same number.
    """
    ordered = np.sort(train, axis=1)
    is_first = np.diff(ordered, axis=1, prepend=-1) > 0  # an item that occurs twice in an image counts once
    images = np.bincount(ordered[is_first], minlength=1 + max(train.max(initial=0), test.max(initial=0)))
    return np.flatnonzero((images[train] > 1).all(axis=1)), np.flatnonzero((images[test] > 0).all(axis=1))


def balance(labels: np.ndarray, classes: list[int | str]) -> dict[str, int]:
    """Return how many rows each class has. `labels` are class indices (n,) or indicators (n, classes)."""
    counts = labels.sum(axis=0) if labels.ndim == 2 else np.bincount(labels, minlength=len(classes))
    return {str(label): count for label, count in zip(classes, counts.tolist(), strict=True)}


def labels_per_image(labels: np.ndarray) -> dict[str, int]:
    """Return how many rows of the label sets (n, classes) have each number of labels."""
    sizes, counts = np.unique(labels.sum(axis=1), return_counts=True)
    return {str(size): count for size, count in zip(sizes.tolist(), counts.tolist(), strict=True)}


def duplicates_within(digests: list[bytes], ids: np.ndarray) -> dict[str, Any]:
    """Return the number of groups of equal rows, the number of rows in them, and examples as lists of ids."""
    groups = [rows for rows in _rows_by_digest(digests).values() if len(rows) > 1]
    return {
        "groups": len(groups),
        "rows": sum(map(len, groups)),
        "examples": [ids[rows].tolist() for rows in groups[:EXAMPLES]],
    }


def duplicates_across(
    train_digests: list[bytes], train_ids: np.ndarray, test_digests: list[bytes], test_ids: np.ndarray
) -> dict[str, Any]:
    """Return the number of images in both train and test, the rows in each, and examples as ids of both."""
    train, test = _rows_by_digest(train_digests), _rows_by_digest(test_digests)
    shared = [digest for digest in train if digest in test]
    return {
        "groups": len(shared),
        "train_rows": sum(len(train[digest]) for digest in shared),
        "test_rows": sum(len(test[digest]) for digest in shared),
        "examples": [
            {"train": train_ids[train[digest]].tolist(), "test": test_ids[test[digest]].tolist()}
            for digest in shared[:EXAMPLES]
        ],
    }


def near_copies_within(leaders: np.ndarray, copies: np.ndarray, ids: np.ndarray) -> dict[str, Any]:
    """Return the number of groups of near-copies, the number of rows in them, examples, and the groups that are large.

    `leaders` (n,) is the first row of each row's group of near-copies, and `copies` (n,) that of its identical images.
    """
    distinct = np.bincount(leaders[np.unique(copies)], minlength=len(leaders))
    rows = np.bincount(leaders, minlength=len(leaders))
    groups = np.flatnonzero(distinct > 1)
    large = [row for row in groups.tolist() if rows[row] > most_copies(len(leaders))]
    return {
        "groups": len(groups),
        "rows": int(rows[groups].sum()),
        "examples": [ids[leaders == row][:EXAMPLES].tolist() for row in groups[:EXAMPLES]],
        "large": [{"rows": int(rows[row]), "example": ids[row].item()} for row in large],
    }


def near_copies_across(
    train_rows: np.ndarray, train_ids: np.ndarray, test_rows: np.ndarray, test_ids: np.ndarray
) -> dict[str, Any]:
    """Return how many test images are near-copies of training images, from the rows (k,) of all pairs, and examples."""
    rows, firsts = np.unique(test_rows, return_index=True)
    return {
        "test_rows": len(rows),
        "examples": [
            {"train": train_ids[train_rows[first]].item(), "test": test_ids[row].item()}
            for row, first in zip(rows[:EXAMPLES], firsts[:EXAMPLES], strict=True)
        ],
    }


def label_conflicts(
    digests: list[bytes], ids: np.ndarray, labels: np.ndarray, classes: list[int | str]
) -> dict[str, Any]:
    """Return the number of groups of equal images with unequal labels, the number of rows in them, and examples."""
    groups = [rows for rows in _rows_by_digest(digests).values() if len(np.unique(labels[rows])) > 1]
    return {
        "groups": len(groups),
        "rows": sum(map(len, groups)),
        "examples": [
            {"ids": ids[rows].tolist(), "labels": [classes[index] for index in labels[rows]]}
            for rows in groups[:EXAMPLES]
        ],
    }


def _rows_by_digest(digests: list[bytes]) -> dict[bytes, list[int]]:
    rows = defaultdict(list)
    for row, digest in enumerate(digests):
        rows[digest].append(row)
    return rows
