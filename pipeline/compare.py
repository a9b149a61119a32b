"""`python -m pipeline.compare REV REV`: compare the members of two revisions, with paired intervals, and their params.

REV is a git revision or the name of a DVC experiment. With one REV, the second one is the workspace. Scores are out of
fold, on the rows that both revisions have, with the second revision's labels. The interval of a gain is that of a
paired bootstrap. The p-value is that of McNemar's exact test if the metric is a share of right rows, else that of the
bootstrap.

Example: python -m pipeline.compare HEAD~1 HEAD
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.labels.metrics.metric import Metric
from features.labels.parts import scoring_parts
from pipeline.reporting.tables import markdown
from pipeline.running.stage import one_sentence
from pipeline.running.usage import parser_of
from pipeline.storage import paths
from pipeline.storage.answers import scored_rows
from pipeline.storage.files import BadInput
from pipeline.storage.predictions import load_aligned
from pipeline.storage.revisions import copy_results, load_tree, members_of
from pipeline.storage.task_data import TaskData
from pipeline.storage.task_metric import load_metric
from submissions.rules.compare import SIGNIFICANT, paired_test

WORKSPACE = "workspace"
ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class TaskResults:
    """The out-of-fold results of a task in one revision."""

    metric: Metric
    classes: list[int | str]
    ids: np.ndarray  # (n,) text
    labels: np.ndarray  # (n,) or (n, classes)
    predictions: dict[str, np.ndarray]  # by member, and of `ensemble`: what the metric judges, for n rows


@dataclass(frozen=True)
class Results:
    """The results of a revision, and the content of its params.yaml."""

    name: str
    tasks: dict[str, TaskResults]
    params: dict[str, Any]


def compare(first: Results, second: Results) -> tuple[pd.DataFrame, list[str]]:
    """Return a row for each member and ensemble of either revision, and a sentence for each task without comparison.

    The column `gain` is positive if the second revision is better, also if a lower score is better.
    """
    rows: list[dict[str, Any]] = []
    sentences = []
    for task in dict.fromkeys([*first.tasks, *second.tasks]):
        old, new = first.tasks.get(task), second.tasks.get(task)
        if old is None or new is None:
            sentences.append(f"{task}: only {first.name if old else second.name} has results")
        elif difference := _difference(old, new):
            sentences.append(f"{task}: not comparable, as {difference} differ")
        else:
            rows += _rows(task, old, new)
    return pd.DataFrame(rows), sentences


def changed_params(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Return a line `NAME: OLD -> NEW` for each value of params.yaml that differs."""
    old, new = (dict(_leaves(tree)) for tree in (first, second))
    names = [name for name in {**old, **new} if old.get(name) != new.get(name) or (name in old) != (name in new)]
    return [f"{name}: {old.get(name, 'absent')} -> {new.get(name, 'absent')}" for name in names]


def load_results(revision: str) -> Results:
    """Return the results of a revision, or of the workspace.

    Raises:
        BadInput: the revision or its results are unknown.
    """
    with ExitStack() as stack:
        if revision != WORKSPACE:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            copy_results(revision, folder)
            stack.enter_context(chdir(folder))
        params = load_tree(paths.PARAMS)
        tasks = {task: _task_results(task, members) for task, members in members_of(params).items()}
    return Results(revision, {task: results for task, results in tasks.items() if results is not None}, params)


def _task_results(task: str, members: list[str]) -> TaskResults | None:
    """Return the results of a task in the working folder, or None before a member has predictions."""
    folders = {member: paths.predictions(task, member) for member in members} | {ENSEMBLE: paths.ensemble(task)}
    files = {name: folder / "oof.npz" for name, folder in folders.items() if (folder / "oof.npz").exists()}
    if not files:
        return None
    data = TaskData(task)
    metric, (ids, rows) = load_metric(data), scored_rows(data)
    labels, parts = np.array(data.labels[rows]), scoring_parts(data.folds[rows])
    predictions = {
        name: metric.honest(load_aligned(path, ids, data.classes, data.has_label_sets).probabilities, labels, parts)
        for name, path in files.items()
    }
    return TaskResults(metric, data.classes, ids.astype(str), labels, predictions)


def _difference(first: TaskResults, second: TaskResults) -> str:
    """Return what prevents a comparison, or an empty text."""
    metrics = [(results.metric.name, results.metric.k, results.metric.positive) for results in (first, second)]
    if metrics[0] != metrics[1]:
        return "their metrics"
    if first.classes != second.classes:
        return "their classes"
    return "" if len(np.intersect1d(first.ids, second.ids)) else "all their rows"


def _rows(task: str, first: TaskResults, second: TaskResults) -> Iterator[dict[str, Any]]:
    _, *places = np.intersect1d(first.ids, second.ids, return_indices=True)
    labels, metric = second.labels[places[1]], second.metric
    for name in dict.fromkeys([*first.predictions, *second.predictions]):
        pair = [
            results.predictions[name][place] if name in results.predictions else None
            for results, place in zip((first, second), places, strict=True)
        ]
        old, new = (None if predictions is None else metric.of(predictions, labels) for predictions in pair)
        row = {"task": task, "member": name, "metric": metric.name, "rows": len(labels), "first": old, "second": new}
        if pair[0] is not None and pair[1] is not None:
            row |= paired_test(metric, pair[1], pair[0], labels)
        yield row


def _leaves(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from _leaves(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, tree


def _text_table(table: pd.DataFrame, names: tuple[str, str]) -> pd.DataFrame:
    """Return the table as texts, with the names of the revisions as titles of their scores."""
    titles = dict(zip(("first", "second"), names if names[0] != names[1] else ("first", "second"), strict=True))
    texts = table[["task", "member", "metric", "rows"]].copy()
    for column, title in titles.items():
        texts[title] = ["" if pd.isna(score) else f"{score:.4f}" for score in table[column]]
    tests = table.reindex(columns=["gain", "low", "high", "p_value"]).to_numpy(float)
    rows = [("", "", "") if np.isnan(test[0]) else _texts_of(*test) for test in tests]
    texts["gain"], texts["p"], texts["verdict"] = map(list, zip(*rows, strict=True))
    return texts


def _texts_of(gain: float, low: float, high: float, p_value: float) -> tuple[str, str, str]:
    """Return the texts of a gain with its interval, of its p-value, and of the verdict."""
    verdict = "better" if gain > 0 else "worse"
    if p_value >= SIGNIFICANT:
        verdict = "equal" if low == high == 0 else "within noise"
    return f"{gain:+.4f} ({low:+.4f} to {high:+.4f})", f"{p_value:.2g}", verdict


def main(arguments: list[str] | None = None) -> None:
    """Run the command: print the table and the changed params."""
    parser = parser_of(__doc__)
    parser.add_argument("revisions", metavar="REV", nargs="+", help="a git revision or the name of a DVC experiment")
    revisions = parser.parse_args(arguments).revisions
    with one_sentence("compare"):
        if len(revisions) > 2:
            raise BadInput(f"{len(revisions)} revisions, expected one or two")
        first, second = (load_results(revision) for revision in (*revisions, WORKSPACE)[:2])
        table, sentences = compare(first, second)
        if len(table):
            print(markdown(_text_table(table, (first.name, second.name))))
        for sentence in sentences:
            print(sentence)
        lines = changed_params(first.params, second.params)
        print("\n".join([f"\nparams.yaml, {first.name} -> {second.name}:", *(lines or ["no change"])]))


if __name__ == "__main__":
    main()
