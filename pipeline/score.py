"""`python -m pipeline.score TASK`: grade the submission as Kaggle would, where the answers are known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.labels.intervals import with_bounds
from features.labels.metrics import THRESHOLD, mean_average_precision, set_scores
from pipeline.config.schema import Params
from pipeline.readers.raw import tidy
from pipeline.readers.submissions import read_csv
from pipeline.running.stage import run, task_of
from pipeline.storage import paths
from pipeline.storage.files import BadInput, align, blame, load_json, save_json, writing
from pipeline.storage.predictions import load_predictions
from pipeline.storage.summaries import load_roster
from submissions.rules.grade import check_answers, grade
from submissions.rules.label_sets import indicators
from submissions.rules.published import Result, place, published, standing_line

SOLUTION = "solution.csv"
OTHER_IMAGES = "no published score is shown, because the images are others than those that the source's name stands for"


@dataclass(frozen=True)
class Answers:
    """What is right, from the solution."""

    path: Path
    id_column: str
    label_column: str
    ids: np.ndarray  # (n,)
    labels: np.ndarray  # (n,) text
    usage: np.ndarray | None  # (n,) Public, Private or Ignored; None: all rows are private
    classes: list[int | str]
    separator: str | None  # between the labels of a set; None: one label an image


def score(params: Params, key: str) -> str:
    """Write `paths.score(key)`."""
    path = solution_path(params, key)
    if not path.exists():
        _save(key, {"metric": "accuracy", "answers": "unknown"})
        return f"no answers at {path}, so no score"
    submission = read_csv(paths.submission(key))
    answers = load_answers(params, key, submission.columns)
    graded = graded_as_kaggle(predicted(paths.submission(key), submission, answers), answers)
    if answers.separator is not None:
        graded["sets"] = _of_sets(key, predicted(paths.submission(key), submission, answers), answers)
    members = {name: _member_score(key, name, answers) for name in load_roster(key)}
    results, private = rivals(params, key), graded["private"]["score"]
    if not results or private is None:
        _save(key, {"metric": "accuracy", **graded, "members": members})
        return summary(graded, answers) + (f"; {OTHER_IMAGES}" if has_other_images(params, key) else "")
    standing = {"place_among_published": place(private, results)}
    _save(key, {"metric": "accuracy", **graded, "members": members, **standing})
    return f"{summary(graded, answers)}; {standing_line(private, results)}"


def solution_path(params: Params, key: str) -> Path:
    """Return where a task's answers lie, if they are known."""
    return Path(task_of(params, key).ingest.folder, SOLUTION)


def load_answers(params: Params, key: str, columns: pd.Index) -> Answers:
    """Return the answers of a task; the only reader of `solution.csv`.

    Args:
        params: the configuration.
        key: the task.
        columns: names of id and label, in this order.

    Raises:
        BadInput: there is no solution, it has no such columns, or an answer is none of the classes.
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


def predicted(path: Path, submission: pd.DataFrame, answers: Answers) -> np.ndarray:
    """Return the labels (n,) of a submission, text, in the order of the answers; `path` is named in errors."""
    with blame(f"{path} against {answers.path}"):
        rows = align(answers.ids, tidy(submission[answers.id_column].to_numpy()))
    return submission[answers.label_column].to_numpy(str)[rows]


def graded_as_kaggle(labels: np.ndarray, answers: Answers) -> dict:
    """Return the score of each part, see `submissions.rules.grade.grade`."""
    with blame(answers.path):
        return grade(labels, answers.labels, answers.usage, answers.separator)


def rivals(params: Params, key: str) -> list[Result]:
    """Return the published results that a score of this task compares with.

    There are none where the task is no such replica, or was made of other images than its source's name says.
    """
    folder = Path(task_of(params, key).ingest.folder)
    made = next((replica for name, replica in params.replicas.items() if paths.replica(name) == folder), None)
    if made is None or has_other_images(params, key):
        return []
    return published(made.form, made.source, made.pool)


def has_other_images(params: Params, key: str) -> bool:
    """Return whether a task is a replica that was made of other images than its source's name says."""
    path = Path(task_of(params, key).ingest.folder, paths.REPLICA_SOURCE)
    return path.exists() and not load_json(path).get("is_original", False)


def summary(graded: dict, answers: Answers) -> str:
    """Return the public and the private score in words."""
    return ", ".join(_told(part, graded[part]) for part in ("public", "private")) + (
        f"; {answers.path} has no column Usage, so all rows are private" if answers.usage is None else ""
    )


def _of_sets(key: str, labels: np.ndarray, answers: Answers) -> dict[str, float]:
    """Return the scores of label sets on all rows that count, and of the probabilities behind them."""
    test = load_predictions(paths.ensemble(key) / "test.npz", label_sets=True)
    counts = answers.usage != "Ignored" if answers.usage is not None else np.full(len(labels), True)
    chosen, true = (indicators(each[counts], test.classes, answers.separator) for each in (labels, answers.labels))
    found = test.probabilities[align(answers.ids, test.ids)][counts]
    return {**set_scores(chosen, true), "mean_average_precision": mean_average_precision(found, true)}


def _member_score(key: str, name: str, answers: Answers) -> dict:
    """Return the score of one member by itself on all rows that count, with its 95 % interval."""
    path = paths.predictions(key, name) / "test.npz"
    made = load_predictions(path, answers.separator is not None)
    with blame(path):
        rows = align(answers.ids, made.ids)
    names = np.array(made.classes).astype(str)
    if answers.separator is None:
        labels = names[made.probabilities.argmax(axis=1)]
    else:
        labels = np.array([answers.separator.join(names[row]) for row in made.probabilities >= THRESHOLD])
    return graded_as_kaggle(labels[rows], answers)["all"]


def _save(key: str, value: dict) -> None:
    with writing(paths.score(key)) as part:
        save_json(part, value)


def _told(part: str, result: dict) -> str:
    if not result["rows"]:
        return f"{part} unknown (no rows)"
    return f"{part} {with_bounds(result['score'], result['low'], result['high'])} on {result['rows']} rows"


if __name__ == "__main__":
    run("score", score)
