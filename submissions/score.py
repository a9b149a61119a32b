"""`python -m submissions.score TASK FILE [OTHER]`: grade a CSV as Kaggle would, if the answers are known.

With OTHER, a second CSV, it also compares the two.

Example: python -m submissions.score fashion submissions/fashion.csv
"""

import argparse
from pathlib import Path

import numpy as np

from pipeline.config.schema import Params
from pipeline.readers.submissions import read_csv
from pipeline.running.usage import parser_of
from pipeline.score import (
    OTHER_IMAGES,
    Answers,
    grade_predictions,
    has_other_images,
    load_answers,
    rivals,
    submission_predictions,
    summary,
)
from pipeline.storage.files import BadInput, blame
from submissions.command import run
from submissions.rules.check import check_cells
from submissions.rules.compare import comparison_line
from submissions.rules.published import medal_thresholds_line, standing_line


def score(params: Params, arguments: argparse.Namespace) -> None:
    """Print a file's public and private score, its place among published results, and its comparison with `other`.

    Raises:
        BadInput: the answers are unknown, or a file is no submission for this task.
    """
    key, path = arguments.task, arguments.file
    answers = load_answers(params, key)
    predictions = _predictions(path, answers)
    grades = grade_predictions(predictions, answers)
    print(f"{path}: {summary(grades, answers)}")
    results, private = rivals(params, key), grades["private"]["score"]
    if results and private is not None:
        print(f"private score: {standing_line(private, results)}; {medal_thresholds_line(results)}")
    elif has_other_images(params, key):
        print(f"no medals: {OTHER_IMAGES}")
    else:
        print("no medals: no published result is comparable with this task")
    if arguments.other is not None:
        counts, others = answers.counts, _predictions(arguments.other, answers)
        with blame(answers.path):
            line = comparison_line(answers.metric, predictions[counts], others[counts], answers.labels[counts])
        print(line.format(other=arguments.other))


def _predictions(path: Path, answers: Answers) -> np.ndarray:
    """Return what a file predicts, in the order of the answers."""
    submission, expected = read_csv(path), [answers.form.id_column, *answers.form.columns]
    if sorted(submission.columns) != sorted(expected):
        raise BadInput(f"{path}: columns {list(submission.columns)}, expected {expected}")
    with blame(path):
        check_cells(submission, answers.form)
    return submission_predictions(path, submission, answers)


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = parser_of(__doc__)
    parser.add_argument("task", metavar="TASK", help="an entry under tasks in params.yaml")
    parser.add_argument("file", metavar="FILE", type=Path, help="a submission")
    parser.add_argument("other", metavar="OTHER", type=Path, nargs="?", help="a submission to compare it with")
    run("score", score, parser.parse_args(arguments))


if __name__ == "__main__":
    main()
