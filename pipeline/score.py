"""`python -m pipeline.score TASK`: grade the submission as Kaggle would, if the answers are known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.labels.intervals import with_bounds
from features.labels.metrics.rankings import mean_average_precision
from features.labels.metrics.report import set_scores
from features.labels.metrics.shares import THRESHOLD
from pipeline.readers.raw import tidy
from pipeline.readers.submissions import read_csv
from pipeline.running.stage import Params, run, task_of
from pipeline.storage import paths
from pipeline.storage.files import BadInput, align, blame, load_json, save_json, writing
from pipeline.storage.predictions import load_predictions
from pipeline.storage.summaries import load_roster
from submissions.rules.grade import check_answers, grade
from submissions.rules.label_sets import indicators
from submissions.rules.published import Result, place, published_results, standing_line

SOLUTION = "solution.csv"
OTHER_IMAGES = "no published score is shown, because the images differ from the published images with the source's name"


@dataclass(frozen=True)
class Answers:
    """The true labels of the test rows, from the solution."""

    path: Path
    id_column: str
    label_column: str
    ids: np.ndarray  # (n,)
    labels: np.ndarray  # (n,) text
    usage: np.ndarray | None  # (n,) Public, Private or Ignored; None: all rows are private
    classes: list[int | str]
    separator: str | None  # between the labels of a set; None: one label for each image


def score(params: Params, key: str) -> str:
    """Write `paths.score(key)`."""
    path = solution_path(params, key)
    if not path.exists():
        _save(key, {"metric": "accuracy", "answers": "unknown"})
        return f"no answers at {path}, so no score"
    submission = read_csv(paths.submission(key))
    answers = load_answers(params, key, submission.columns)
    labels = submission_labels(paths.submission(key), submission, answers)
    graded = grade_labels(labels, answers)
    if answers.separator is not None:
        graded["sets"] = _set_scores(key, labels, answers, answers.separator)
    members = {name: _member_score(key, name, answers) for name in load_roster(key)}
    results, private = rivals(params, key), graded["private"]["score"]
    if not results or private is None:
        _save(key, {"metric": "accuracy", **graded, "members": members})
        return summary(graded, answers) + (f"; {OTHER_IMAGES}" if has_other_images(params, key) else "")
    standing = {"place_among_published": place(private, results)}
    _save(key, {"metric": "accuracy", **graded, "members": members, **standing})
    return f"{summary(graded, answers)}; {standing_line(private, results)}"


def solution_path(params: Params, key: str) -> Path:
    """Return the path of a task's answers. The file exists if they are known."""
    return Path(task_of(params, key).ingest.folder, SOLUTION)


def load_answers(params: Params, key: str, columns: pd.Index) -> Answers:
    """Return the answers of a task. No other function reads `solution.csv`.

    Args:
        params: the configuration.
        key: the task.
        columns: the names of id and label, in this order.

    Raises:
        BadInput: there is no solution, it lacks a column, or an answer is not a class.
    """
    path = solution_path(params, key)
    if not path.exists():
        raise BadInput(f"{path}: missing, so Kaggle alone can grade a submission of {key}")
    solution, separator = read_csv(path), task_of(params, key).ingest.train.label_separator
    classes = load_predictions(paths.ensemble(key) / "test.npz", separator is not None).classes
    with blame(path):
        missing = [name for name in columns if name not in solution]
        if missing:
            raise ValueError(f"no column {missing[0]!r}, which the submission has; it has {list(solution.columns)}")
        id_column, label_column = columns[:2]
        check_answers(solution, label_column, classes, separator)
    usage = solution["Usage"].to_numpy(str) if "Usage" in solution else None
    ids, labels = tidy(solution[id_column].to_numpy()), solution[label_column].to_numpy(str)
    return Answers(path, id_column, label_column, ids, labels, usage, classes, separator)


def submission_labels(path: Path, submission: pd.DataFrame, answers: Answers) -> np.ndarray:
    """Return the labels (n,) of a submission as texts, in the order of the answers. Errors name `path`."""
    with blame(f"{path} against {answers.path}"):
        rows = align(answers.ids, tidy(submission[answers.id_column].to_numpy()))
    return submission[answers.label_column].to_numpy(str)[rows]


def grade_labels(labels: np.ndarray, answers: Answers) -> dict:
    """Return the score of each part as `submissions.rules.grade.grade` does. Errors name the solution."""
    with blame(answers.path):
        return grade(labels, answers.labels, answers.usage, answers.separator)


def rivals(params: Params, key: str) -> list[Result]:
    """Return the published results that are comparable with a score of this task.

    There are none if the task is not such a replica, or if its images are not the published ones.
    """
    folder = Path(task_of(params, key).ingest.folder)
    replica = next((replica for name, replica in params.replicas.items() if paths.replica(name) == folder), None)
    if replica is None or has_other_images(params, key):
        return []
    return published_results(replica.form, replica.source, replica.pool)


def has_other_images(params: Params, key: str) -> bool:
    """Return whether a task is a replica whose images differ from the published images with its source's name."""
    path = Path(task_of(params, key).ingest.folder, paths.REPLICA_SOURCE)
    return path.exists() and not load_json(path).get("is_original", False)


def summary(graded: dict, answers: Answers) -> str:
    """Return the public and the private score as text."""
    return ", ".join(_score_text(part, graded[part]) for part in ("public", "private")) + (
        f"; {answers.path} has no column Usage, so all rows are private" if answers.usage is None else ""
    )


def _set_scores(key: str, labels: np.ndarray, answers: Answers, separator: str) -> dict[str, float]:
    """Return the scores of label sets and of their probabilities, on all rows that count."""
    test = load_predictions(paths.ensemble(key) / "test.npz", label_sets=True)
    counts = answers.usage != "Ignored" if answers.usage is not None else np.full(len(labels), True)
    predicted_sets = indicators(labels[counts], test.classes, separator)
    true_sets = indicators(answers.labels[counts], test.classes, separator)
    probabilities = test.probabilities[align(answers.ids, test.ids)][counts]
    average_precision = mean_average_precision(probabilities, true_sets)
    return {**set_scores(predicted_sets, true_sets), "mean_average_precision": average_precision}


def _member_score(key: str, name: str, answers: Answers) -> dict:
    """Return the score of a single member on all rows that count, with its 95 % interval."""
    path = paths.predictions(key, name) / "test.npz"
    test = load_predictions(path, answers.separator is not None)
    with blame(path):
        rows = align(answers.ids, test.ids)
    names = np.array(test.classes).astype(str)
    if answers.separator is None:
        labels = names[test.probabilities.argmax(axis=1)]
    else:
        labels = np.array([answers.separator.join(names[row]) for row in test.probabilities >= THRESHOLD])
    return grade_labels(labels[rows], answers)["all"]


def _save(key: str, value: dict) -> None:
    with writing(paths.score(key)) as part:
        save_json(part, value)


def _score_text(part: str, result: dict) -> str:
    if not result["rows"]:
        return f"{part} unknown (no rows)"
    return f"{part} {with_bounds(result['score'], result['low'], result['high'])} on {result['rows']} rows"


if __name__ == "__main__":
    run("score", score)
