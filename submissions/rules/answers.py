"""Read what a submission predicts, and the answers to it, as the arrays that a metric judges."""

import numpy as np
import pandas as pd

from features.labels.class_spellings import class_finder
from features.labels.metrics.decisions import Decision
from features.labels.metrics.metric import Metric
from submissions.rules.cells import first_bad, is_number, label_sets_in, names_in, numbers_in
from submissions.rules.forms import COLUMNS, LABEL_SET, PROBABILITY, TOP_K, Form, metric_of_form

HALF = 0.5


def answers_of(solution: pd.DataFrame, form: Form) -> np.ndarray:
    """Return the true labels of a solution, in whatever form: a label column, or a column of 0 and 1 for each class.

    Returns:
        class indices (n,), indicators of label sets uint8 (n, classes) or, for form probability, 0 or 1 (n,).

    Raises:
        ValueError: a column is missing, or a cell is no answer, because no submission could match it.
    """
    others = [name for name in solution.columns if name not in (form.id_column, "Usage")]
    by_class = dict(zip(map(class_finder(form.classes), others), others, strict=True))
    if len(form.classes) > 1 and all(index in by_class for index in range(len(form.classes))):
        return _from_columns(solution, [by_class[index] for index in range(len(form.classes))], form)
    name = form.columns[0] if form.kind != COLUMNS or len(others) != 1 else others[0]
    if name not in solution:
        raise ValueError(f"no column {name!r}, which the submission has; it has {list(solution.columns)}")
    if form.kind == PROBABILITY:
        return _positives(solution[name], form)
    row = first_bad(solution[name], form.classes, form.separator if form.label_sets else None)
    if row is not None:
        raise ValueError(
            f"row {row} (counted from 0) has {name} {solution[name][row]!r}, "
            f"expected one of {', '.join(map(str, form.classes))}"
        )
    if form.label_sets:
        return label_sets_in(solution[name], form.classes, form.separator).astype(np.uint8)
    return _indices(solution[name], form)


def predictions_of(submission: pd.DataFrame, form: Form, metric: Metric) -> np.ndarray:
    """Return what a checked submission predicts, in the form that the metric judges, see `Metric.of`."""
    if form.kind == PROBABILITY:
        present = numbers_in(submission[form.columns[0]], form.columns[0])
        return np.stack([1 - present, present], axis=1) if metric.judges == "probabilities" else (present >= HALF) * 1
    if form.kind == COLUMNS:
        shares = np.empty((len(submission), len(form.classes)))
        for name, index in zip(form.columns, form.order, strict=True):
            shares[:, index] = numbers_in(submission[name], name)
        if metric.judges == "probabilities":
            return shares
        if metric.judges == "rankings":
            return Decision("ranked", (metric.k or 1,))(shares)
        return shares >= HALF if form.label_sets else shares.argmax(axis=1)
    cells = submission[form.columns[0]]
    if form.kind == LABEL_SET:
        return label_sets_in(cells, form.classes, form.separator)
    return _rankings(cells, form) if form.kind == TOP_K else _indices(cells, form)


def judged_predictions(form: Form, metric: Metric, decision: Decision, probabilities: np.ndarray) -> np.ndarray:
    """Return what a submission of these probabilities (n, classes) predicts, without writing and reading it."""
    decisions = metric_of_form(metric, form).decide(decision, probabilities)
    if form.kind == PROBABILITY and metric.judges != "probabilities":
        return np.isin(decisions, form.positive) * 1
    return decisions


def _from_columns(solution: pd.DataFrame, names: list[str], form: Form) -> np.ndarray:
    shares = np.stack([numbers_in(solution[name], name) for name in names], axis=1)
    if form.label_sets:
        return (shares >= HALF).astype(np.uint8)
    wrong = (shares >= HALF).sum(axis=1) != 1
    if wrong.any():
        raise ValueError(f"row {wrong.argmax()} (counted from 0) has not exactly one 1, expected one true class")
    labels = shares.argmax(axis=1)
    return np.isin(labels, form.positive) * 1 if form.kind == PROBABILITY else labels


def _positives(cells: pd.Series, form: Form) -> np.ndarray:
    """Return 1 (n,) for cells that name a positive class, or that are 1 if the cells name no classes."""
    find = class_finder(form.classes)
    indices = [find(cell) for cell in cells]
    if None not in indices:
        return np.isin(np.array(indices, int), form.positive) * 1
    row = next((row for row, cell in enumerate(cells) if not is_number(cell) or float(cell) not in (0, 1)), None)
    if row is not None:
        raise ValueError(f"row {row} (counted from 0) has {cells.name} {cells[row]!r}, expected 0, 1 or a class")
    return np.array(cells, float).astype(int)


def _indices(cells: pd.Series, form: Form) -> np.ndarray:
    index_of = {str(value): index for index, value in enumerate(form.classes)}
    return np.array([index_of.get(cell, -1) for cell in cells], int)


def _rankings(cells: pd.Series, form: Form) -> np.ndarray:
    index_of = {str(value): index for index, value in enumerate(form.classes)}
    rankings = np.full((len(cells), form.k), -1)
    for row, cell in enumerate(cells):
        names = names_in(cell, form.separator)[: form.k]
        rankings[row, : len(names)] = [index_of.get(name, -1) for name in names]
    return rankings
