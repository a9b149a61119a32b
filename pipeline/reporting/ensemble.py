"""The ensemble: whether it is worth it, what each member adds, and the test images that it is least sure of."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.labels.targets import confidence
from pipeline.reporting.galleries import names_of
from pipeline.reporting.section import Finding
from pipeline.reporting.sprites import Tile
from pipeline.reporting.task_run import TaskRun
from pipeline.reporting.texts import signed

TITLE = "Ensemble"
UNSURE_IMAGES = 24
BEST_MEMBER = "best_member"


@dataclass(frozen=True)
class Part:
    """A member's part in the ensemble."""

    name: str
    weight: float
    temperatures: str
    adds: dict[str, float] | None  # by how much the ensemble is better than one without it, with interval
    correlations: tuple[float | None, ...]  # of its errors with those of each member


@dataclass(frozen=True)
class Unsure:
    """A test image that the ensemble is not sure of."""

    tile: Tile
    id: str
    guesses: str  # the two most probable classes, or the two labels with a probability closest to a half
    shares: str  # their probabilities


@dataclass(frozen=True)
class Ensemble:
    """The content of the section."""

    method: str
    metric: str
    score: float
    best_member: str
    gain: dict[str, float] | None  # over the best member, with interval
    methods: dict[str, Any]  # honest score of each method that was tried
    parts: tuple[Part, ...]
    unsure: tuple[Unsure, ...]

    @property
    def verdict(self) -> Finding | None:
        """Whether the ensemble is better than its best member, and the choice if it is not."""
        if self.gain is None or len(self.parts) == 1:
            return None
        interval = f"{signed(self.gain['gain'])} ({signed(self.gain['low'])} to {signed(self.gain['high'])})"
        if self.method == BEST_MEMBER:
            return Finding(f"The ensemble is {self.best_member} alone: no mixture has a better honest score.")
        if any(part.name == self.best_member and part.weight == 1 for part in self.parts):
            return Finding(f"The ensemble is {self.best_member} alone: {self.method} gives the others no weight.")
        if self.gain["gain"] <= 0:
            return Finding(
                f"The ensemble is not better than {self.best_member} alone: {interval} in {self.metric}.",
                "The submission is the ensemble's. Choose ensemble: {method: best_member} to submit "
                f"{self.best_member}{'' if len(self.methods) > 1 else ', or {method: auto}, which tries both'}.",
            )
        if self.gain["low"] <= 0:
            return Finding(
                f"The ensemble may be better than {self.best_member} alone: {interval} in {self.metric}.",
                "That is not certain: members whose errors correlate less would help more.",
            )
        return Finding(f"The ensemble is better than {self.best_member} alone: {interval} in {self.metric}.")

    @property
    def has_correlations(self) -> bool:
        """Whether the errors of two members can be compared: each has some."""
        return len(self.parts) > 1 and any(value is not None for part in self.parts for value in part.correlations)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The verdict."""
        return (self.verdict,) if self.verdict else ()


def load(run: TaskRun) -> Ensemble | None:
    """Return the ensemble, or None before the stage `ensemble`."""
    summary = run.ensemble
    if "weights" not in summary:
        return None
    best = summary.get("best_member", {}).get("name", "")
    return Ensemble(
        summary["method"],
        summary["metric"],
        summary["honest_score"],
        best,
        summary.get("gain_over_best_member"),
        summary.get("methods", {}),
        tuple(_part(summary, name) for name in summary["weights"]),
        tuple(_unsure(run)),
    )


def _part(summary: dict[str, Any], name: str) -> Part:
    temperatures = summary.get("temperatures", {}).get(name, [])
    return Part(
        name,
        summary["weights"][name],
        ", ".join(f"{value:.2f}" for value in temperatures[:10]),
        summary.get("members", {}).get(name, {}).get("adds"),
        tuple(summary.get("error_correlation", {}).get(name, ())),
    )


def _unsure(run: TaskRun) -> list[Unsure]:
    """Return the test images with the least confidence, each with two guesses."""
    if run.test is None or run.data is None:
        return []
    rows, probabilities = run.test
    least = np.argsort(confidence(probabilities, run.has_label_sets), kind="stable")[:UNSURE_IMAGES]
    tiles = run.tiles("test", rows[least])
    images = []
    for tile, row in zip(tiles, least, strict=True):
        doubt = np.abs(probabilities[row] - 0.5) if run.has_label_sets else -probabilities[row]
        columns = np.argsort(doubt, kind="stable")[:2]
        names = [names_of(run, [int(column)]) for column in columns]
        guesses = ", ".join(f"{name}?" for name in names) if run.has_label_sets else " or ".join(names)
        shares = ", ".join(f"{100 * probabilities[row, column]:.1f}" for column in columns)
        images.append(Unsure(tile, str(run.data.test_ids[rows[row]]), guesses, f"{shares} %"))
    return images
