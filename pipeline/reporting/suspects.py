"""Training images whose label is probably wrong, by confident learning on out-of-fold probabilities."""

from dataclasses import dataclass

import numpy as np

from features.labels.label_errors import label_quality
from pipeline.reporting.galleries import names_of
from pipeline.reporting.section import Finding
from pipeline.reporting.sprites import Tile
from pipeline.reporting.task_run import TaskRun
from pipeline.reporting.texts import plural

TITLE = "Suspected label errors"
MOST_IMAGES, MOST_LISTED = 60, 2000


@dataclass(frozen=True)
class Suspect:
    """A row whose label is probably wrong."""

    id: str
    label: str
    suggestion: str
    question: str  # the suggestion or, for a label set, what it changes
    quality: float
    tile: Tile | None  # of the first MOST_IMAGES


@dataclass(frozen=True)
class Suspects:
    """Suspects, most suspicious first."""

    task: str
    judged_name: str
    has_label_sets: bool
    rows: int
    count: int
    listed: tuple[Suspect, ...]

    @property
    def shown(self) -> tuple[Suspect, ...]:
        """The suspects with an image."""
        return self.listed[:MOST_IMAGES]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """How many labels look wrong, and where their list is."""
        if not self.count:
            return (Finding("No label looks wrong."),)
        first = self.listed[0]
        doubt = f"labelled {first.label}, looks like {first.suggestion}."
        if self.has_label_sets:
            doubt = f"labelled {first.label}: {first.question}"
        return (
            Finding(
                f"{plural(self.count, 'label')} of {self.rows:,} may be wrong; first id {first.id}, {doubt}",
                f"Check them from the top (report/suspects/{self.task}.csv lists them), correct the raw labels, and "
                "run dvc repro.",
            ),
        )


def load(run: TaskRun) -> Suspects | None:
    """Return the suspects, or None before there are predictions."""
    oof, judged = run.out_of_fold, run.judged
    if oof is None or judged is None or run.judged_name is None:
        return None
    quality = label_quality(judged, oof.labels)
    rows = quality.order[quality.is_suspect[quality.order]]
    listed = rows[:MOST_LISTED]
    tiles = run.tiles("train", oof.rows[listed[:MOST_IMAGES]])
    suspects = tuple(
        Suspect(
            str(oof.ids[row]),
            names_of(run, _set_of(oof.labels[row])),
            names_of(run, _suggestion(oof.labels[row], int(quality.column[row]))),
            _question(run, oof.labels[row], int(quality.column[row])),
            float(quality.score[row]),
            tiles[place] if place < len(tiles) else None,
        )
        for place, row in enumerate(listed)
    )
    return Suspects(run.task, run.judged_name, run.has_label_sets, len(oof.rows), len(rows), suspects)


def _set_of(label: np.ndarray) -> list[int]:
    return np.flatnonzero(label).tolist() if np.ndim(label) else [int(label)]


def _question(run: TaskRun, label: np.ndarray, column: int) -> str:
    name = names_of(run, [column])
    if np.ndim(label) == 0:
        return f"{name}?"
    return f"not {name}?" if label[column] else f"also {name}?"


def _suggestion(label: np.ndarray, column: int) -> list[int]:
    """Return the likely label: another class, or the label set with one label more or less."""
    if np.ndim(label) == 0:
        return [column]
    return sorted({*np.flatnonzero(label).tolist()} ^ {column})
