"""Assign the connected parts of an image to its items. The code is plain Python: an image has a dozen parts or so."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

# Limits to the work for one image. No image of clean Fashion-MNIST items reaches one of them.
MOST_PARTS = 32  # times (items + 1); an image with more is noisy, and only its largest parts are used
NOISY_PARTS = 4  # times (items + 1), the parts that are used in a noisy image
MOST_SPLITS = 192  # ways to split a part that are examined: 64 after each of three windows
MOST_SINGLE_PIXELS = 64  # larger parts are not assigned pixel by pixel

Box = tuple[int, int, int, int]  # top, left, bottom, right in pixels; bottom and right are excluded
Size = tuple[int, int]  # height, width in pixels


class Part(NamedTuple):
    """Connected pixels: a component, or a piece of one."""

    pixels: int  # number
    box: Box
    label: int
    pixel_places: tuple | None = None  # (rows, columns) of a piece; None: the whole component


Assignments = list[tuple[Part, int]]  # parts, each with the index of its item


def assign_parts(parts: list[Part], labels: np.ndarray, count: int, size: Size) -> tuple[list[Box], Assignments]:
    """Assign the parts of an image, the largest first, to at most `count` items.

    Each of the largest parts starts an item. A smaller part joins the nearest item whose box still fits a window. A
    part larger than a window (touching items) is split by windows anchored at the corners of its box.

    Args:
        parts: the connected components of the image.
        labels: int (height, width), the label of the component that each pixel belongs to.
        count: items.
        size: (height, width) of a window in pixels.

    Returns:
        The items' boxes, none larger than a window, and the item of each part. Parts that fit nowhere are left out.
    """
    if len(parts) > MOST_PARTS * (count + 1):
        parts = parts[: NOISY_PARTS * (count + 1)]
    if not all(_fits(part.box, size) for part in parts):
        parts = _split_all(parts, labels, count, size)
    boxes, assignments, unassigned = _assign_largest_first(parts, count, size)
    for part in [part for part in unassigned if part.pixels <= MOST_SINGLE_PIXELS]:  # often touching speckles
        assignments += _join(boxes, _single_pixels(part, labels), size)[0]
    return boxes, assignments


def largest_first(part: Part) -> tuple[int, Box]:
    """Return a sorting key: by size, ties by place."""
    return -part.pixels, part.box


def _assign_largest_first(parts: list[Part], count: int, size: Size) -> tuple[list[Box], Assignments, list[Part]]:
    """Assign parts, the largest first, to items. Return the items' boxes, the assignments and the unassigned parts."""
    first_parts, rest = [], []
    for part in parts:
        if len(first_parts) < count and not any(_fit_together(item.box, part.box, size) for item in first_parts):
            first_parts.append(part)
        else:
            rest.append(part)
    # The number of items is known. If some are missing, the next parts are items, even if they could join others.
    lacking_items = count - len(first_parts)
    first_parts, rest = first_parts + rest[:lacking_items], rest[lacking_items:]
    boxes = [part.box for part in first_parts]
    assignments, unassigned = _join(boxes, rest, size)
    return boxes, [(part, item) for item, part in enumerate(first_parts)] + assignments, unassigned


def _join(boxes: list[Box], parts: list[Part], size: Size) -> tuple[Assignments, list[Part]]:
    """Assign each part to the nearest item whose box still fits a window, and enlarge that box in `boxes`."""
    assignments, unassigned = [], []
    for part in parts:
        near = [item for item, box in enumerate(boxes) if _fit_together(box, part.box, size)]
        if near:
            item = near[0] if len(near) == 1 else min(near, key=lambda item: _gap(boxes[item], part.box))
            boxes[item] = _union(boxes[item], part.box)
            assignments.append((part, item))
        else:
            unassigned.append(part)
    return assignments, unassigned


def _single_pixels(part: Part, labels: np.ndarray) -> list[Part]:
    """Return each pixel of a part as a part."""
    rows, columns = _pixels(part, labels).tolist()
    return [
        Part(1, (row, column, row + 1, column + 1), part.label, (row, column))
        for row, column in zip(rows, columns, strict=True)
    ]


def _pixels(part: Part, labels: np.ndarray) -> np.ndarray:
    """Return the (row, column) of every pixel of a part, int (2, pixels)."""
    if part.pixel_places is not None:
        return np.array(part.pixel_places)
    top, left, bottom, right = part.box
    rows, columns = np.nonzero(labels[top:bottom, left:right] == part.label)
    return np.stack([rows + top, columns + left])


def _split_all(parts: list[Part], labels: np.ndarray, count: int, size: Size) -> list[Part]:
    """Replace parts larger than a window by pieces that fit, such that the fewest pixels are lost."""
    fitting = [part for part in parts if _fits(part.box, size)]
    for part in [part for part in parts if not _fits(part.box, size)][:count]:
        best, best_cost = fitting, None
        for pieces, left in _splits(part, labels, count, size):
            if best_cost is not None and left > best_cost[0]:
                continue
            candidate = sorted([*fitting, *pieces], key=largest_first)
            items, _, unassigned = _assign_largest_first(candidate, count, size)
            lost_pixels = left + sum(part.pixels for part in unassigned)
            cost = (lost_pixels, sum((bottom - top) * (right - left) for top, left, bottom, right in items))
            if best_cost is None or cost < best_cost:
                best, best_cost = candidate, cost
        fitting = best
    return fitting


def _splits(part: Part, labels: np.ndarray, most: int, size: Size) -> Iterator[tuple[list[Part], int]]:
    """Yield the ways to split a part by at most `most` windows: the pieces, and the number of pixels left over.

    Each window is anchored at a corner of the box around the pixels that the earlier windows left over.
    """
    open_splits = [([], _pixels(part, labels))]
    for _ in range(most):
        next_splits = []
        for pieces, pixels in open_splits:
            for inside in _corners(pixels, size):
                split = [*pieces, _piece(part.label, pixels[:, inside])]
                if inside.all():
                    yield split, 0
                else:
                    next_splits.append((split, pixels[:, ~inside]))
        open_splits = _fewest_left(next_splits, max(1, MOST_SPLITS // most))
    for pieces, pixels in open_splits:
        yield pieces, pixels.shape[1]


def _fewest_left(splits: list[tuple[list[Part], np.ndarray]], most: int) -> list[tuple[list[Part], np.ndarray]]:
    """Return at most `most` splits: those with the fewest pixels left over."""
    return splits if len(splits) <= most else sorted(splits, key=lambda split: split[1].shape[1])[:most]


def _corners(pixels: np.ndarray, size: Size) -> list[np.ndarray]:
    """Return, for each corner of the pixels' box, which pixels its window contains, bool (pixels,); none empty."""
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
    """Return the squared distance between two boxes, 0 if they touch."""
    vertical = max(a[0] - b[2], b[0] - a[2], 0)
    horizontal = max(a[1] - b[3], b[1] - a[3], 0)
    return vertical**2 + horizontal**2
