"""Generated images beside the real ones: found by the training rows that their GAN saw, never by a fold's name.

So a model can only ever be trained on images made from its own training rows.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline import paths
from pipeline.config import Member
from pipeline.contracts import BadInput, load_array, load_json
from pipeline.resume import source_of

DIGEST = "generated"  # in a member's tuning file


@dataclass(frozen=True)
class Generated:
    """What one GAN made."""

    images: np.ndarray  # uint8 (n, height, width, channels)
    labels: np.ndarray  # int64 (n,), class indices


def load_generated(task: str, images: Path, rows: np.ndarray) -> Generated:
    """Return what the GAN made that was trained on exactly these rows of the images.

    Raises:
        BadInput: none was.
    """
    about, wanted = paths.generated(task) / "about.json", source_of(images, rows)
    for name, each in load_json(about)["sets"].items():
        if each["source"] == wanted:
            return Generated(*(load_array(about.with_name(f"{name}_{part}.npy")) for part in ("images", "labels")))
    raise BadInput(f"{about}: no set comes from just the {len(rows)} training rows, expected one; run stage generate")


def generated_digest(member: Member) -> dict[str, str]:
    """Return the hash of its task's generated images, under its name, for a member that trains on them."""
    if not member.generated_share:
        return {}
    return {DIGEST: load_json(paths.generated(member.task) / "about.json")["digest"]}


def exchanged(rows: np.ndarray, share: float, real: int, generated: int, seeds: tuple[int, ...]) -> np.ndarray:
    """Return as many rows (n,), a share of them, drawn anew for each of `seeds`, replaced by generated ones.

    Rows from `real` on, which is how many real images there are, stand for the `generated` images.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seeds, spawn_key=(1,)))
    count = round(share * len(rows))
    drawn = np.resize(rng.permutation(generated), count)  # each as often as any other
    return np.concatenate([rng.permutation(rows)[count:], real + drawn])


class Joined:
    """Two arrays end to end, without a copy of either, as both may be memory maps."""

    def __init__(self, first: np.ndarray, second: np.ndarray) -> None:
        self.first, self.second = first, second

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows, which ascend."""
        border = np.searchsorted(rows, len(self.first))
        return np.concatenate([self.first[rows[:border]], self.second[rows[border:] - len(self.first)]])
