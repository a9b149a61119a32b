"""The format of the ledger: a CSV with a line for each change of an upload."""

import csv
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Entry:
    """A line of the ledger. All values are text."""

    time: str  # when the upload began, UTC
    upload: str  # the file's name on Kaggle without .csv: task, time, hash
    task: str
    competition: str
    sha256: str  # of the file
    commit: str  # of the project; empty if the project is not in git
    state: str  # clean or dirty
    members: str  # with their weights; this and the next five are empty if the file is not the ensemble's
    weights_sha256: str  # of the trained models and their weights in the ensemble
    metric: str
    out_of_fold: str  # score
    low: str  # of its 95 % interval
    high: str
    message: str
    ref: str  # Kaggle's number of the submission
    status: str  # unknown, unlisted, failed, or Kaggle's own: pending, complete, error
    public: str
    private: str


COLUMNS = [field.name for field in fields(Entry)]
NEWER_COLUMNS = ("low", "high", "metric")  # in this order; an older ledger keeps its columns
LEGAL_HEADERS = [[name for name in COLUMNS if name not in NEWER_COLUMNS[start:]] for start in (0, 2, 3)]


def read_uploads(path: Path) -> list[Entry]:
    """Return the last line of every upload, in the order in which the uploads began; none if there is no ledger.

    Raises:
        ValueError: the ledger is no CSV, has unexpected columns, or has a line of the wrong length.
    """
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *lines = list(csv.reader(file)) or [[]]
    except csv.Error as error:
        raise ValueError(f"not readable as CSV ({error})") from error
    if header not in LEGAL_HEADERS:
        raise ValueError(f"columns {', '.join(header)}, expected {', '.join(COLUMNS)}")
    for number, line in enumerate(lines, 2):
        if len(line) != len(header):
            raise ValueError(f"entry {number} has {len(line)} values, expected {len(header)}")
    empty = dict.fromkeys(COLUMNS, "")
    entries = [Entry(**empty | dict(zip(header, line, strict=True))) for line in lines]
    return list({entry.upload: entry for entry in entries}.values())


def agreement(entries: list[Entry]) -> str:
    """Return one line on how the public scores of uploads agree with their out-of-fold scores, by one metric.

    Raises:
        ValueError: a score is no number.
    """
    scores = [(float(e.out_of_fold), float(e.public)) for e in entries if e.out_of_fold and e.public]
    own, public = np.array(scores).reshape(-1, 2).T
    summary = f"{len(scores)} upload{'' if len(scores) == 1 else 's'} with out-of-fold and public score"
    if len(scores):
        summary += f", public minus out-of-fold {np.mean(public - own):+.4f} on average"
    if len(scores) < 3 or min(np.ptp(own), np.ptp(public)) == 0:
        return f"{summary}; a correlation needs three that differ"
    return f"{summary}, correlation {np.corrcoef(own, public)[0, 1]:.2f}"
