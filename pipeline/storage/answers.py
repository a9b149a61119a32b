"""The answers of a task: one for each image or, with `predict.group`, one for several images."""

from dataclasses import dataclass

import numpy as np

from pipeline.config.errors import quote
from pipeline.storage.columns import load_answers
from pipeline.storage.files import BadInput
from pipeline.storage.task_data import TaskData


@dataclass(frozen=True)
class Answers:
    """The answers of some rows, in the order of their first images."""

    ids: np.ndarray  # (k,) int64 or text
    firsts: np.ndarray  # (k,) the position of each answer's first row
    answer_of_row: np.ndarray  # (n,) the position of each row's answer
    is_grouped: bool  # whether answers can have several rows


def out_of_fold_answers(data: TaskData, rows: np.ndarray) -> Answers:
    """Return the answers of the training rows (n,) that are scored.

    Raises:
        BadInput: the images of an answer are in several folds.
    """
    answers, folds = _answers(data, "train", data.train_ids, rows), data.repeated_folds[rows]
    differs = (folds != folds[answers.firsts][answers.answer_of_row]).any(axis=1)
    if differs.any():
        name = answers.ids[answers.answer_of_row[differs.argmax()]]
        raise BadInput(f"{data.folder}: the images of {quote(name)} are in several folds; rerun stage split")
    return answers


def scored_rows(data: TaskData) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids (k,) of the out-of-fold answers of a task, and the training row (k,) of each one's first image."""
    rows = np.flatnonzero(data.folds >= 0)
    answers = out_of_fold_answers(data, rows)
    return answers.ids, rows[answers.firsts]


def answers_of_test(data: TaskData) -> Answers:
    """Return the answers of all test rows."""
    return _answers(data, "test", data.test_ids, np.arange(len(data.test_ids)))


def _answers(data: TaskData, split: str, ids: np.ndarray, rows: np.ndarray) -> Answers:
    names = load_answers(data.task, split, ids)
    if names is None:
        return Answers(ids[rows], np.arange(len(rows)), np.arange(len(rows)), False)
    unique, firsts, inverse = np.unique(names[rows].astype(str), return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    return Answers(unique[order], firsts[order], np.argsort(order)[inverse], True)
