"""`python -m submissions.score TASK FILE [OTHER]`: grade a CSV as Kaggle would, if the answers are known.

With OTHER, a second CSV, it also compares the two.

Example: python -m submissions.score fashion submissions/fashion.csv
"""

import argparse
from pathlib import Path

import numpy as np

from pipeline.config.schema import Params
from pipeline.readers.submissions import read_csv
from pipeline.running.stage import task_of
from pipeline.running.usage import parser_of
from pipeline.score import (
    OTHER_IMAGES,
    Answers,
    grade_labels,
    has_other_images,
    load_answers,
    rivals,
    submission_labels,
    summary,
)
from pipeline.storage.files import BadInput, blame
from submissions.command import run
from submissions.rules.check import check_labels
from submissions.rules.compare import compare
from submissions.rules.label_sets import right
from submissions.rules.published import medal_thresholds_line, standing_line


def score(params: Params, arguments: argparse.Namespace) -> None:
    """Print a file's public and private score, its place among published results, and its comparison with `other`.

    Raises:
        BadInput: the answers are unknown, or a file is no submission for this task.
    """
    key, path = arguments.task, arguments.file
    task = task_of(params, key).ingest
    answers = load_answers(params, key, read_csv(Path(task.folder, task.sample_submission)).columns)
    labels = _labels(path, answers)
    graded = grade_labels(labels, answers)
    print(f"{path}: {summary(graded, answers)}")
    results, private = rivals(params, key), graded["private"]["score"]
    if results and private is not None:
        print(f"private score: {standing_line(private, results)}; {medal_thresholds_line(results)}")
    elif has_other_images(params, key):
        print(f"no medals: {OTHER_IMAGES}")
    else:
        print("no medals: no published result uses this task's images, or no row is private")
    if arguments.other is not None:
        print(_comparison_line(labels, _labels(arguments.other, answers), arguments.other, answers))


def _labels(path: Path, answers: Answers) -> np.ndarray:
    submission = read_csv(path)
    if list(submission.columns) != [answers.id_column, answers.label_column]:
        expected = [answers.id_column, answers.label_column]
        raise BadInput(f"{path}: columns {list(submission.columns)}, expected {expected}")
    with blame(path):
        check_labels(submission, answers.classes, answers.separator)
    return submission_labels(path, submission, answers)


def _comparison_line(first: np.ndarray, second: np.ndarray, other: Path, answers: Answers) -> str:
    counts = answers.usage != "Ignored" if answers.usage is not None else np.full(len(first), True)
    with blame(answers.path):
        hits = [right(labels, answers.labels, answers.separator)[counts] for labels in (first, second)]
        result = compare(*hits)
    verdict = "within noise" if result.within_noise else "more than noise"
    return (
        f"{result.difference:+.4f} from {other}, on {result.rows} rows, public and private: {result.only_first} that "
        f"only it has right, {result.only_second} only the other; exact McNemar test p = {result.p_value:.2g}, "
        f"{verdict}"
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = parser_of(__doc__)
    parser.add_argument("task", metavar="TASK", help="an entry under tasks in params.yaml")
    parser.add_argument("file", metavar="FILE", type=Path, help="a submission")
    parser.add_argument("other", metavar="OTHER", type=Path, nargs="?", help="a submission to compare it with")
    run("score", score, parser.parse_args(arguments))


if __name__ == "__main__":
    main()
