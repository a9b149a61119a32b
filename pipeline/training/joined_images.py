"""Images from several sources as one array: the real images first, then those that replace or enlarge them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.training.seeding import Purpose, stream


@dataclass(frozen=True)
class Extra:
    """Generated or pseudo-labelled images. Each epoch uses some of them."""

    images: np.ndarray  # uint8 (n, ...)
    targets: np.ndarray  # float32 (n, classes)
    usable: np.ndarray  # the rows that may be used
    share: float  # of the images of an epoch
    enlarges: bool = False  # whether they are added to the real images of an epoch; else they replace some
    columns: np.ndarray | None = None  # float32 (n, columns) of a table


class JoinedImages:
    """Two arrays end to end, without a copy of either: both may be memory maps."""

    def __init__(self, first: "np.ndarray | JoinedImages", second: np.ndarray) -> None:
        self.first, self.second = first, second

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Return the images at `rows`, which must be sorted."""
        border = np.searchsorted(rows, len(self.first))
        return np.concatenate([self.first[rows[:border]], self.second[rows[border:] - len(self.first)]])


Images = np.ndarray | JoinedImages


def exchange_rows(rows: np.ndarray, real_images: int, extras: Sequence[Extra], seeds: tuple[int, ...]) -> np.ndarray:
    """Return the rows (n,) of an epoch: for each extra, random rows of its images replace or enlarge `rows`.

    Args:
        rows: the real images to train on.
        real_images: the number of real images. Higher rows are the images of the extras, in their order.
        extras: the other images.
        seeds: of the epoch.
    """
    rng = stream(seeds, Purpose.EXCHANGE)
    counts = [round(extra.share / (1 - extra.share if extra.enlarges else 1) * len(rows)) for extra in extras]
    replaced = sum(count for extra, count in zip(extras, counts, strict=True) if not extra.enlarges)
    parts, start = [rng.permutation(rows)[replaced:]], real_images
    for extra, count in zip(extras, counts, strict=True):
        parts.append(start + np.resize(rng.permutation(extra.usable), count))  # each image equally often
        start += len(extra.images)
    return np.concatenate(parts)
