"""Stage `score`: the submission graded as Kaggle would, where the answers are known."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import paths
from pipeline.config import Params
from pipeline.contracts import align, blame, load_json, save_json, writing
from pipeline.predictions import load_predictions
from pipeline.readers.raw import tidy
from pipeline.stage import run, task_of
from pipeline.submission import read_csv
from submissions.score import check_answers, grade

SOLUTION = "solution.csv"


def score(params: Params, key: str) -> str:
    """Write `paths.score(key)`; the only reader of `solution.csv`."""
    solution_path = Path(task_of(params, key).ingest.folder, SOLUTION)
    if not solution_path.exists():
        _save(key, {"metric": "accuracy", "answers": "unknown"})
        return f"no answers at {solution_path}, so no score"
    submission, solution = read_csv(paths.submission(key)), read_csv(solution_path)
    classes = load_predictions(paths.ensemble(key) / "test.npz").classes
    with blame(solution_path):
        _check_columns(solution, submission)
        label = submission.columns[1]
        check_answers(solution, label, classes)
    rows = _join(key, submission, solution_path, solution)
    usage = solution["Usage"].to_numpy(str) if "Usage" in solution else None
    with blame(solution_path):
        graded = grade(submission[label].to_numpy(str)[rows], solution[label].to_numpy(str), usage)
    id_ = submission.columns[0]
    members = {name: _member_accuracy(key, name, id_, label, solution) for name in load_json(paths.roster(key))}
    _save(key, {"metric": "accuracy", **graded, "members": members})
    return ", ".join(_told(part, graded[part]) for part in ("public", "private")) + (
        f"; {solution_path} has no column Usage, so all rows are private" if usage is None else ""
    )


def _check_columns(solution: pd.DataFrame, submission: pd.DataFrame) -> None:
    missing = [name for name in submission.columns if name not in solution]
    if missing:
        raise ValueError(f"no column {missing[0]!r}, which the submission has; it has {list(solution.columns)}")


def _join(key: str, submission: pd.DataFrame, solution_path: Path, solution: pd.DataFrame) -> np.ndarray:
    """Return the rows of the submission in the order of the solution."""
    id_ = submission.columns[0]
    with blame(f"{paths.submission(key)} against {solution_path}"):
        return align(tidy(solution[id_].to_numpy()), tidy(submission[id_].to_numpy()))


def _member_accuracy(key: str, name: str, id_: str, label: str, solution: pd.DataFrame) -> float:
    """Return the accuracy of one member by itself on all rows that count."""
    path = paths.predictions(key, name) / "test.npz"
    made = load_predictions(path)
    with blame(path):
        rows = align(tidy(solution[id_].to_numpy()), made.ids)
    labels = np.array(made.classes).astype(str)[made.probabilities.argmax(axis=1)]
    usage = solution["Usage"].to_numpy(str) if "Usage" in solution else None
    return grade(labels[rows], solution[label].to_numpy(str), usage)["all"]["score"]


def _save(key: str, value: dict) -> None:
    with writing(paths.score(key)) as part:
        save_json(part, value)


def _told(part: str, result: dict) -> str:
    if not result["rows"]:
        return f"{part} unknown (no rows)"
    return f"{part} {result['score']:.4f} ± {result['standard_error']:.4f} ({result['rows']} rows)"


if __name__ == "__main__":
    run("score", score)
