"""`python -m pipeline.score TASK`: grade the submission by the task's metric as Kaggle would, if answers are known."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.labels.intervals import with_bounds
from features.labels.metrics.losses import log_loss
from features.labels.metrics.metric import Metric
from features.labels.metrics.registry import ACCURACY
from features.labels.metrics.report import set_scores
from pipeline.readers.raw import tidy
from pipeline.readers.submissions import read_csv, read_sample, submission_form
from pipeline.running.stage import Params, run, task_of
from pipeline.storage import paths
from pipeline.storage.files import BadInput, align, blame, load_json, save_json, writing
from pipeline.storage.predictions import load_predictions
from pipeline.storage.summaries import load_decision, load_roster
from pipeline.storage.task_data import TaskData
from pipeline.storage.task_metric import load_metric
from submissions.rules.answers import answers_of, judged_predictions, predictions_of
from submissions.rules.forms import LABEL_SET, PROBABILITY, Form, grading_metric
from submissions.rules.grade import grade
from submissions.rules.published import Result, place, published_results, standing_line

SOLUTION = "solution.csv"
OTHER_IMAGES = "no published score is shown, because the images differ from the published images with the source's name"


@dataclass(frozen=True)
class Answers:
    """The true labels of the test rows, from the solution, and how submissions are graded by them."""

    path: Path
    form: Form
    metric: Metric
    ids: np.ndarray  # (n,)
    labels: np.ndarray  # as `submissions.rules.answers.answers_of` returns them
    usage: np.ndarray | None  # (n,) Public, Private or Ignored; None: all rows are private

    @property
    def counts(self) -> np.ndarray:
        """Which rows, bool (n,), count."""
        return np.full(len(self.ids), True) if self.usage is None else self.usage != "Ignored"


def score(params: Params, key: str) -> str:
    """Write `paths.score(key)`."""
    path, metric = solution_path(params, key), task_of(params, key).metric.name
    if not path.exists():
        _save(key, {"metric": metric, "answers": "unknown"})
        return ""
    answers = load_answers(params, key)
    predictions = submission_predictions(paths.submission(key), read_csv(paths.submission(key)), answers)
    grades: dict[str, Any] = grade_predictions(predictions, answers)
    if answers.form.kind == LABEL_SET:
        grades["sets"] = set_scores(predictions[answers.counts], answers.labels[answers.counts])
    members = {name: _member_score(key, name, answers) for name in load_roster(key)}
    results, private = rivals(params, key), grades["private"]["score"]
    result = {"metric": metric, **grades, "members": members}
    if not results or private is None:
        _save(key, result)
        return summary(grades, answers) + (f"; {OTHER_IMAGES}" if has_other_images(params, key) else "")
    _save(key, {**result, "place_among_published": place(private, results)})
    return f"{summary(grades, answers)}; {standing_line(private, results)}"


def solution_path(params: Params, key: str) -> Path:
    """Return the path of a task's answers. The file exists if they are known."""
    return Path(task_of(params, key).ingest.folder, SOLUTION)


def load_answers(params: Params, key: str) -> Answers:
    """Return the answers of a task. No other function reads `solution.csv`.

    Raises:
        BadInput: there is no solution, it lacks a column, or an answer is not a class.
    """
    path, task, data = solution_path(params, key), task_of(params, key), TaskData(key)
    if not path.exists():
        raise BadInput(f"{path}: missing, so Kaggle alone can grade a submission of {key}")
    solution = read_csv(path)
    form, metric = submission_form(key, task, read_sample(task), data.classes, data.has_label_sets)
    with blame(path):
        if form.id_column not in solution:
            raise ValueError(f"no column {form.id_column!r}, which the submission has; it has {list(solution.columns)}")
        labels, ids = answers_of(solution, form), tidy(solution[form.id_column].to_numpy())
    usage = solution["Usage"].to_numpy(str) if "Usage" in solution else None
    return Answers(path, form, grading_metric(metric, form), ids, labels, usage)


def submission_predictions(path: Path, submission: pd.DataFrame, answers: Answers) -> np.ndarray:
    """Return what a submission predicts, in the order of the answers. Errors name `path`."""
    with blame(f"{path} against {answers.path}"):
        rows = align(answers.ids, tidy(submission[answers.form.id_column].to_numpy()))
    with blame(path):
        return predictions_of(submission, answers.form, answers.metric)[rows]


def grade_predictions(predictions: np.ndarray, answers: Answers) -> dict[str, Any]:
    """Return the score of each part as `submissions.rules.grade.grade` does. Errors name the solution."""
    with blame(answers.path):
        return grade(predictions, answers.labels, answers.usage, answers.metric)


def rivals(params: Params, key: str) -> list[Result]:
    """Return the published results that are comparable with a score of this task.

    There are none if the task is not such a replica, if only some labels take part, or if its images are not the
    published ones.
    """
    folder = Path(task_of(params, key).ingest.folder)
    replica = next((replica for name, replica in params.replicas.items() if paths.replica(name) == folder), None)
    has_accuracy = task_of(params, key).metric.name == ACCURACY.name  # as all published results have
    if replica is None or replica.labels or has_other_images(params, key) or not has_accuracy:
        return []
    return published_results(replica.form, replica.source, replica.pool)


def has_other_images(params: Params, key: str) -> bool:
    """Return whether a task is a replica whose images differ from the published images with its source's name."""
    path = Path(task_of(params, key).ingest.folder, paths.REPLICA_SOURCE)
    return path.exists() and not load_json(path, dict).get("is_original", False)


def summary(grades: dict, answers: Answers) -> str:
    """Return the public and the private score as text."""
    metric = "" if answers.metric == ACCURACY else f"{answers.metric.name} "
    return (
        metric
        + ", ".join(_score_text(part, grades[part]) for part in ("public", "private"))
        + (f"; {answers.path} has no column Usage, so all rows are private" if answers.usage is None else "")
    )


def _member_score(key: str, name: str, answers: Answers) -> dict[str, Any]:
    """Return the score of a single member on all rows that count, with its 95 % interval, and its log-loss."""
    path, decision = paths.predictions(key, name) / "test.npz", load_decision(paths.decision(key, name))
    test = load_predictions(path, answers.form.label_sets)
    with blame(path):
        rows = align(answers.ids, test.ids)
    metric = load_metric(TaskData(key))
    predictions = judged_predictions(answers.form, metric, decision, test.probabilities[rows])
    return {
        **grade_predictions(predictions, answers)["all"],
        "log_loss": loss_of_answers(test.probabilities[rows], answers),
    }


def loss_of_answers(probabilities: np.ndarray, answers: Answers) -> float | None:
    """Return the log-loss of probabilities (n, classes), in the order of the answers; None if no row counts."""
    if not answers.counts.any():
        return None
    if answers.form.kind == PROBABILITY:  # whose answers are 0 and 1
        present = probabilities[:, list(answers.form.positive)].sum(axis=1)
        probabilities = np.stack([1 - present, present], axis=1)
    return log_loss(probabilities[answers.counts], answers.labels[answers.counts])


def _save(key: str, value: dict) -> None:
    with writing(paths.score(key)) as part:
        save_json(part, value)


def _score_text(part: str, result: dict) -> str:
    if not result["rows"]:
        return f"{part} unknown (no rows)"
    return f"{part} {with_bounds(result['score'], result['low'], result['high'])} on {result['rows']} rows"


if __name__ == "__main__":
    run("score", score)
