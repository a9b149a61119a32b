"""The leaderboard of published results, and the place of a score on it."""

from dataclasses import dataclass
from pathlib import Path

import yaml

MEDALS = ("gold", "silver", "bronze")


@dataclass(frozen=True)
class Result:
    """A published result."""

    accuracy: float
    system: str
    where: str  # Kaggle, or the name of the test set
    release: str  # of the images
    seeds: int  # number of runs
    epoch_selection: str  # how the epoch of the scored weights was chosen


def published_results(form: str, source: str, pool: str) -> list[Result]:
    """Return the results, best first, that are comparable with a replica of this form, image source and item pool."""
    boards = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    board = boards.get(form)
    if board is None or (board["source"], board["pool"]) != (source, pool):
        return []
    return [Result(**row) for row in board["results"]]


def place(score: float, results: list[Result]) -> int:
    """Return the place of a score, from 1. As on Kaggle, the earlier of two equal scores comes first."""
    return 1 + sum(result.accuracy >= score for result in results)


def medal_thresholds_line(results: list[Result]) -> str:
    """Return the score needed for each medal: the first three published results."""
    return ", ".join(
        f"{medal} above {result.accuracy:.4f} ({result.system}, {result.where})"
        for medal, result in zip(MEDALS, results, strict=False)
    )


def standing_line(score: float, results: list[Result]) -> str:
    """Return the place of a score among the published results, with its medal."""
    rank = place(score, results)
    medal = MEDALS[rank - 1] if rank <= len(MEDALS) else "no medal"
    return f"place {rank} after {len(results)} published results, {medal}"
