"""Images of several sources as one: the real ones first, then those that take the place of a share of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.training.seeding import Purpose, stream


@dataclass(frozen=True)
class Extra:
    """Images beside the real ones, some of which each epoch takes."""

    images: np.ndarray  # uint8 (n, ...)
    targets: np.ndarray  # float32 (n, classes)
    usable: np.ndarray  # the rows among them that may be taken
    share: float  # of the images of an epoch


class Joined:
    """Two arrays end to end, without a copy of either, as both may be memory maps."""

    def __init__(self, first: "np.ndarray | Joined", second: np.ndarray) -> None:
        self.first, self.second = first, second

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows, which ascend."""
        border = np.searchsorted(rows, len(self.first))
        return np.concatenate([self.first[rows[:border]], self.second[rows[border:] - len(self.first)]])


def exchanged(rows: np.ndarray, real: int, extras: Sequence[Extra], seeds: tuple[int, ...]) -> np.ndarray:
    """Return as many rows (n,), a share of them, drawn anew for each of `seeds`, replaced by those of each extra.

    Rows from `real` on, which is how many real images there are, stand for the extras' images in their order.
    """
    rng = stream(seeds, Purpose.EXCHANGE)
    counts, start = [round(extra.share * len(rows)) for extra in extras], real
    parts = [rng.permutation(rows)[sum(counts) :]]
    for extra, count in zip(extras, counts, strict=True):
        parts.append(start + np.resize(rng.permutation(extra.usable), count))  # each as often as any other
        start += len(extra.images)
    return np.concatenate(parts)
