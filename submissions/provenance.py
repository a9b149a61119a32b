"""Where a submission comes from: the commit, and the ensemble if it made the file."""

import hashlib
import subprocess
from dataclasses import dataclass

import pandas as pd

from features.labels.intervals import with_bounds
from pipeline.storage import paths
from pipeline.storage.summaries import load_ensemble

WRITTEN_BY_RUNS = (
    "dvc.lock",
    str(paths.LEDGER),
)  # runs change these files, so a change there does not make the code dirty
NAMED_MEMBERS = 4


@dataclass(frozen=True)
class Commit:
    """The state of the project. Both values are empty if the project is not in git."""

    hash: str
    state: str  # clean or dirty

    def __str__(self) -> str:
        """Return the short form, as `git describe --dirty` prints it."""
        return (self.hash[:7] or "no commit") + ("-dirty" if self.state == "dirty" else "")


@dataclass(frozen=True)
class Ensemble:
    """The ensemble that made a submission."""

    weights: dict[str, float]  # of the members with a weight above 0, largest first
    sha256: str  # of their trained models, weights and temperatures
    metric: str
    score_value: float  # out of fold, honest
    low: float  # the 95 % interval of the score
    high: float

    @property
    def score(self) -> str:
        """Return the score with its interval as a text."""
        return with_bounds(self.score_value, self.low, self.high)

    def __str__(self) -> str:
        """Return the members, the largest first, and the score."""
        shares = [f"{name} {weight:.2f}" for name, weight in self.weights.items()]
        more = len(shares) - NAMED_MEMBERS
        named = " + ".join(shares[:NAMED_MEMBERS]) + (f" + {more} more" if more > 0 else "")
        return f"{named}, out-of-fold {self.metric} {self.score}"


def commit() -> Commit:
    """Return the commit that is checked out. It is dirty if a file was changed or added since."""
    others = [f":(exclude){name}" for name in WRITTEN_BY_RUNS]
    head, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--", ".", *others)
    if head is None or changes is None:
        return Commit("", "")
    return Commit(head, "dirty" if changes else "clean")


def _git(*arguments: str) -> str | None:
    try:
        result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def ensemble(key: str, submission: pd.DataFrame, ensemble_submission: pd.DataFrame) -> Ensemble | None:
    """Return the task's ensemble, or None if the submission differs from `ensemble_submission`, which it makes."""
    if submission.to_numpy(object).tolist() != ensemble_submission.to_numpy(object).tolist():
        return None
    summary = load_ensemble(key, "weights", "temperatures", "metric", "honest_score")
    weights = {name: weight for name, weight in summary["weights"].items() if weight > 0}
    weights = dict(sorted(weights.items(), key=lambda item: -item[1]))
    score = {"score_value": summary["honest_score"], "low": summary["low"], "high": summary["high"]}
    return Ensemble(weights, _sha256(key, summary), summary["metric"], **score)


def _sha256(key: str, summary: dict) -> str:
    digest = hashlib.sha256(repr([sorted(summary[name].items()) for name in ("weights", "temperatures")]).encode())
    for member, weight in sorted(summary["weights"].items()):
        for path in sorted(paths.models(key, member).glob("*.keras")) if weight > 0 else ():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
