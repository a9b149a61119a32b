"""The leaderboard of what people published, and the place that a score has on it."""

from dataclasses import dataclass
from pathlib import Path

import yaml

MEDALS = ("gold", "silver", "bronze")


@dataclass(frozen=True)
class Result:
    """What somebody reached."""

    accuracy: float
    system: str
    where: str  # on Kaggle, or on which test set
    release: str  # of the images
    seeds: int  # runs
    epoch_selection: str  # how the epoch was chosen whose weights were judged


def published(form: str, source: str, pool: str) -> list[Result]:
    """Return the results, best first, that a replica of this form, image source and pool of items compares with."""
    boards = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    board = boards.get(form)
    if board is None or (board["source"], board["pool"]) != (source, pool):
        return []
    return [Result(**row) for row in board["results"]]


def place(score: float, results: list[Result]) -> int:
    """Return the place of a score, from 1; as on Kaggle, of equal scores the earlier one goes first."""
    return 1 + sum(result.accuracy >= score for result in results)


def lines(results: list[Result]) -> str:
    """Return what each medal takes: the first three places of what is published."""
    return ", ".join(
        f"{medal} above {result.accuracy:.4f} ({result.system}, {result.where})"
        for medal, result in zip(MEDALS, results, strict=False)
    )


def told(score: float, results: list[Result]) -> str:
    """Return the place of a score among the published ones, with its medal."""
    found = place(score, results)
    medal = MEDALS[found - 1] if found <= len(MEDALS) else "no medal"
    return f"place {found} after {len(results)} published results, {medal}"
