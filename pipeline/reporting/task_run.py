"""What a run has of a task so far: the data, the members' models and predictions, the ensemble, the scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from features.labels.metrics.metric import Metric
from features.labels.parts import scoring_parts
from pipeline.reporting.sprites import Sprites, Tile
from pipeline.storage import paths
from pipeline.storage.answers import answers_of_test, out_of_fold_answers
from pipeline.storage.files import BadInput, load_json
from pipeline.storage.predictions import load_aligned
from pipeline.storage.summaries import load_ensemble, load_metrics, load_run, load_scores
from pipeline.storage.task_data import TaskData
from pipeline.storage.task_metric import load_metric

ENSEMBLE = "ensemble"
THRESHOLD = 0.5  # of a label's probability, if the metric judges probabilities


@dataclass(frozen=True)
class OutOfFold:
    """Out-of-fold predictions for the rows that are scored, in one order."""

    rows: np.ndarray  # (n,), the training row whose image stands for the answer
    ids: np.ndarray  # (n,)
    labels: np.ndarray  # class indices (n,), or indicators (n, classes)
    folds: np.ndarray  # (n,)
    members: dict[str, np.ndarray]  # probabilities (n, classes) of each member
    ensemble: np.ndarray | None  # the same of the ensemble, by weights that were fitted on other folds

    def of(self, name: str) -> np.ndarray:
        """Return the probabilities (n, classes) of a member, or of ENSEMBLE."""
        if name == ENSEMBLE:
            assert self.ensemble is not None
            return self.ensemble
        return self.members[name]


@dataclass(frozen=True)
class TaskRun:
    """A task of a run. What a stage has not written yet is None or empty."""

    task: str
    names: tuple[str, ...]  # of all members of the task, in the order of params.yaml

    @cached_property
    def data(self) -> TaskData | None:
        """The images, labels and classes, after `prepare`."""
        data = TaskData(self.task)
        return data if (data.folder / "about.json").exists() else None

    @cached_property
    def metric(self) -> Metric | None:
        """The metric of the task."""
        return load_metric(self.data) if self.data and paths.entry("tasks", self.task, "metric").exists() else None

    @cached_property
    def class_names(self) -> list[str]:
        """The classes as texts."""
        return [str(label) for label in self.data.classes] if self.data else []

    @property
    def has_label_sets(self) -> bool:
        """Whether an image can have several labels."""
        return self.data is not None and self.data.has_label_sets

    @cached_property
    def audit(self) -> dict[str, Any]:
        """What `prepare` noticed about the images."""
        path = paths.images(self.task) / "audit.json"
        return load_json(path, {"warnings": list}) if path.exists() else {}

    @cached_property
    def runs(self) -> dict[str, dict[str, Any]]:
        """The summary of training of each trained member."""
        return {
            name: load_run(self.task, name)
            for name in self.names
            if (paths.models(self.task, name) / "run.json").exists()
        }

    @cached_property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """The out-of-fold metrics of each member with predictions."""
        return {name: load_metrics(self.task, name) for name in self.names if paths.decision(self.task, name).exists()}

    @cached_property
    def ensemble(self) -> dict[str, Any]:
        """The summary of the ensemble."""
        if not paths.decision(self.task).exists():
            return {}
        return load_ensemble(self.task, "method", "metric", "honest_score")

    @cached_property
    def scores(self) -> dict[str, Any]:
        """The scores on test rows, if the answers are known."""
        return load_scores(self.task)

    @cached_property
    def best_member(self) -> str | None:
        """The member with the best out-of-fold score."""
        higher = self.metric is None or self.metric.higher_is_better
        members = self.out_of_fold.members if self.out_of_fold else self.metrics
        ranked = sorted(members, key=lambda name: self.metrics[name]["score"] * (-1 if higher else 1))
        return ranked[0] if ranked else None

    @property
    def judged_name(self) -> str | None:
        """Whose predictions the page examines: the ensemble's, or before it exists the best member's."""
        has_ensemble = self.out_of_fold is not None and self.out_of_fold.ensemble is not None
        return ENSEMBLE if has_ensemble else self.best_member

    @property
    def out_of_fold(self) -> OutOfFold | None:
        """The out-of-fold predictions, or None before any member predicted."""
        return self._out_of_fold[0]

    @property
    def left_out(self) -> tuple[str, ...]:
        """A sentence for each file of predictions that does not fit the data."""
        return self._out_of_fold[1]

    @cached_property
    def _out_of_fold(self) -> tuple[OutOfFold | None, tuple[str, ...]]:
        data = self.data
        if data is None or not self.metrics or not paths.folds(self.task).exists():
            return None, ()
        rows = np.flatnonzero(data.folds >= 0)
        answers = out_of_fold_answers(data, rows)
        folders = {name: paths.predictions(self.task, name) for name in self.metrics}
        if self.ensemble:
            folders[ENSEMBLE] = paths.ensemble(self.task)
        folders = {name: folder for name, folder in folders.items() if (folder / "oof.npz").exists()}
        probabilities, left_out = {}, []
        for name, folder in folders.items():
            try:
                predictions = load_aligned(folder / "oof.npz", answers.ids, data.classes, data.has_label_sets)
                probabilities[name] = predictions.probabilities
            except BadInput as error:
                left_out.append(str(error))
        ensemble = probabilities.pop(ENSEMBLE, None)
        if not probabilities:
            return None, tuple(left_out)
        rows = rows[answers.firsts]
        oof = OutOfFold(rows, answers.ids, data.labels[rows], data.folds[rows], probabilities, ensemble)
        return oof, tuple(left_out)

    @cached_property
    def judged(self) -> np.ndarray | None:
        """The out-of-fold probabilities (n, classes) that the page examines."""
        return self.out_of_fold.of(self.judged_name) if self.out_of_fold and self.judged_name else None

    @cached_property
    def decisions(self) -> np.ndarray | None:
        """What `judged` says about each row: class indices (n,), or indicators of label sets bool (n, classes)."""
        if self.out_of_fold is None or self.judged is None or self.metric is None:
            return None
        return decisions(self.metric, self.judged, self.out_of_fold.labels, self.out_of_fold.folds)

    @cached_property
    def test(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The test rows (n,) whose images stand for the answers, and the ensemble's probabilities (n, classes)."""
        path = paths.ensemble(self.task) / "test.npz"
        if self.data is None or not path.exists():
            return None
        answers = answers_of_test(self.data)
        try:
            predictions = load_aligned(path, answers.ids, self.data.classes, self.has_label_sets)
        except BadInput:  # of other data
            return None
        return answers.firsts, predictions.probabilities

    @cached_property
    def sprites(self) -> Sprites:
        """The images of this task that the page shows. It is empty at first."""
        assert self.data is not None
        return Sprites(f"sheet-{self.task}", tuple(self.data.about["image"]))

    @property
    def sheets(self) -> tuple[Sprites, ...]:
        """All pictures of images for the page."""
        return (self.sprites,) if self.data else ()

    def tiles(self, split: str, rows: Sequence[int] | np.ndarray) -> list[Tile]:
        """Return the places of some images of `train` or `test` in the page's picture."""
        assert self.data is not None
        images = self.data.images(split)
        return [self.sprites.add((split, int(row)), images[row]) for row in rows]


def decisions(metric: Metric, probabilities: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return what probabilities (n, classes) say about each row, by decisions that were fitted on other folds.

    Returns:
        class indices (n,) or, for label sets, indicators bool (n, classes).
    """
    if metric.judges == "decisions":
        decided = metric.honest(probabilities, labels, scoring_parts(folds))
        return decided.astype(bool) if labels.ndim == 2 else decided.astype(int)
    return probabilities >= THRESHOLD if labels.ndim == 2 else probabilities.argmax(axis=1)
