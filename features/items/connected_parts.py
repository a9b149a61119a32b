"""Giving the connected parts of an image to the items that it shows: plain boxes, a dozen or so an image."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

# Limits to the work that one image can cause. No image of clean Fashion-MNIST items reaches one of them.
MOST_PARTS = 32  # for each item and the image; an image with more shows noise, and only its largest parts are looked at
NOISY_PARTS = 4  # for each item and the image, of those that show noise
MOST_SPLITS = 192  # ways to split a part that are followed up: 64 after each of three windows
MOST_CRUMBS = 64  # pixels of a part that are given to items one by one

Box = tuple[int, int, int, int]  # top, left, bottom, right in pixels; bottom and right are excluded
Size = tuple[int, int]  # height, width in pixels


class Part(NamedTuple):
    """Pixels that hang together: a component, or a piece of one."""

    pixels: int  # how many
    box: Box
    label: int
    where: tuple | None = None  # (rows, columns) of a piece; None: the whole component


Owned = list[tuple[Part, int]]  # parts with the number of the item that owns each


def own(parts: list[Part], labels: np.ndarray, count: int, size: Size) -> tuple[list[Box], Owned]:
    """Give the parts of an image, the largest first, to at most `count` items.

    The largest parts found the items, smaller ones join the nearest item whose box still fits a window, and
    a part larger than a window (items that touch) is split by windows anchored at the corners of its box.

    Args:
        parts: the connected components of the image.
        labels: int (height, width), the label of the component that each pixel belongs to.
        count: items.
        size: (height, width) of a window in pixels.

    Returns:
        The items' boxes, none larger than a window, and which item owns which part; what fits nowhere is left out.
    """
    if len(parts) > MOST_PARTS * (count + 1):
        parts = parts[: NOISY_PARTS * (count + 1)]
    if not all(_fits(part.box, size) for part in parts):
        parts = _split_all(parts, labels, count, size)
    boxes, owned, homeless = _seat(parts, count, size)
    for part in [part for part in homeless if part.pixels <= MOST_CRUMBS]:  # often two speckles that touch
        owned += _join(boxes, _crumbs(part, labels), size)[0]
    return boxes, owned


def largest_first(part: Part) -> tuple[int, Box]:
    """Sorting key: by size, ties by place."""
    return -part.pixels, part.box


def _seat(parts: list[Part], count: int, size: Size) -> tuple[list[Box], Owned, list[Part]]:
    """Give parts, the largest first, to items. Return the items' boxes, who owns what, and what is left over."""
    founders, rest = [], []
    for part in parts:
        if len(founders) < count and not any(_fit_together(item.box, part.box, size) for item in founders):
            founders.append(part)
        else:
            rest.append(part)
    # So many items are known to be there: what could be a part of one is then an item of its own.
    alone = count - len(founders)
    founders, rest = founders + rest[:alone], rest[alone:]
    boxes = [part.box for part in founders]
    owned, homeless = _join(boxes, rest, size)
    return boxes, [(part, item) for item, part in enumerate(founders)] + owned, homeless


def _join(boxes: list[Box], parts: list[Part], size: Size) -> tuple[Owned, list[Part]]:
    """Let each part join the nearest item whose box, which grows in `boxes`, still fits a window."""
    owned, homeless = [], []
    for part in parts:
        near = [item for item, box in enumerate(boxes) if _fit_together(box, part.box, size)]
        if near:
            item = near[0] if len(near) == 1 else min(near, key=lambda item: _gap(boxes[item], part.box))
            boxes[item] = _union(boxes[item], part.box)
            owned.append((part, item))
        else:
            homeless.append(part)
    return owned, homeless


def _crumbs(part: Part, labels: np.ndarray) -> list[Part]:
    """Return the pixels of a part as parts of their own."""
    rows, columns = _pixels(part, labels).tolist()
    return [
        Part(1, (row, column, row + 1, column + 1), part.label, (row, column))
        for row, column in zip(rows, columns, strict=True)
    ]


def _pixels(part: Part, labels: np.ndarray) -> np.ndarray:
    """Return the (row, column) of every pixel of a part, int (2, pixels)."""
    if part.where is not None:
        return np.array(part.where)
    top, left, bottom, right = part.box
    rows, columns = np.nonzero(labels[top:bottom, left:right] == part.label)
    return np.stack([rows + top, columns + left])


def _split_all(parts: list[Part], labels: np.ndarray, count: int, size: Size) -> list[Part]:
    """Replace parts larger than a window by pieces that fit, so that the image loses fewest pixels."""
    fitting = [part for part in parts if _fits(part.box, size)]
    for part in [part for part in parts if not _fits(part.box, size)][:count]:
        best, best_cost = fitting, None
        for pieces, left in _splits(part, labels, count, size):
            if best_cost is not None and left > best_cost[0]:
                continue
            tried = sorted([*fitting, *pieces], key=largest_first)
            items, _, homeless = _seat(tried, count, size)
            lost = left + sum(part.pixels for part in homeless)
            cost = (lost, sum((bottom - top) * (right - left) for top, left, bottom, right in items))
            if best_cost is None or cost < best_cost:
                best, best_cost = tried, cost
        fitting = best
    return fitting


def _splits(part: Part, labels: np.ndarray, most: int, size: Size) -> Iterator[tuple[list[Part], int]]:
    """Yield the ways to split a part by at most `most` windows: the pieces, and how many pixels are left over.

    Each window is anchored at a corner of the box of what the windows before it left over.
    """
    waiting = [([], _pixels(part, labels))]
    for _ in range(most):
        tails = []
        for pieces, pixels in waiting:
            for inside in _corners(pixels, size):
                split = [*pieces, _piece(part.label, pixels[:, inside])]
                if inside.all():
                    yield split, 0
                else:
                    tails.append((split, pixels[:, ~inside]))
        waiting = _fewest_left(tails, max(1, MOST_SPLITS // most))
    for pieces, pixels in waiting:
        yield pieces, pixels.shape[1]


def _fewest_left(splits: list[tuple[list[Part], np.ndarray]], most: int) -> list[tuple[list[Part], np.ndarray]]:
    """Return at most so many splits, those that leave the fewest pixels over where there are more."""
    return splits if len(splits) <= most else sorted(splits, key=lambda split: split[1].shape[1])[:most]


def _corners(pixels: np.ndarray, size: Size) -> list[np.ndarray]:
    """Return which pixels, bool (pixels,), lie in each window at a corner of their box that is not empty."""
    rows, columns = pixels
    vertical = rows < rows.min() + size[0], rows > rows.max() - size[0]
    horizontal = columns < columns.min() + size[1], columns > columns.max() - size[1]
    windows = [v & h for v, h in itertools.product(vertical, horizontal)]
    return [inside for inside in windows if inside.any()]


def _piece(label: int, pixels: np.ndarray) -> Part:
    (top, left), (bottom, right) = pixels.min(axis=1).tolist(), pixels.max(axis=1).tolist()
    return Part(pixels.shape[1], (top, left, bottom + 1, right + 1), label, (pixels[0], pixels[1]))


def _union(a: Box, b: Box) -> Box:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _fits(box: Box, size: Size) -> bool:
    return box[2] - box[0] <= size[0] and box[3] - box[1] <= size[1]


def _fit_together(a: Box, b: Box, size: Size) -> bool:
    return max(a[2], b[2]) - min(a[0], b[0]) <= size[0] and max(a[3], b[3]) - min(a[1], b[1]) <= size[1]


def _gap(a: Box, b: Box) -> int:
    """Squared distance between two boxes, 0 where they meet."""
    vertical = max(a[0] - b[2], b[0] - a[2], 0)
    horizontal = max(a[1] - b[3], b[1] - a[3], 0)
    return vertical**2 + horizontal**2
