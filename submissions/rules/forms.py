"""The form of a submission: which column holds the ids, and what the others hold. It is read from the sample."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pandas as pd

from features.labels.class_spellings import class_finder
from features.labels.metrics.metric import Metric
from submissions.rules.cells import is_number, names_in, shortened

LABEL, LABEL_SET, PROBABILITY, COLUMNS, TOP_K = "label", "label_set", "probability", "columns", "top_k"
BLANK = " "  # between the labels of a cell


@dataclass(frozen=True)
class Form:
    """The form of a submission."""

    kind: str
    id_column: str
    columns: tuple[str, ...]  # of the predictions, in the order of the sample
    classes: tuple[int | str, ...]  # in the spelling of submissions
    label_sets: bool = False  # whether an image can have several labels
    separator: str = BLANK  # between the labels of a cell
    k: int = 1  # of top_k: the most labels in a cell
    positive: tuple[int, ...] = ()  # of probability: the indices of the classes whose probability it is
    order: tuple[int, ...] = ()  # of columns: the index of each column's class

    def line(self) -> str:
        """Return the form as a text, for a stage's last line."""
        if self.kind == PROBABILITY:
            return f"{self.kind} of {' or '.join(str(self.classes[index]) for index in self.positive)}"
        return f"{self.kind}, k {self.k}" if self.kind == TOP_K else self.kind


def id_position(sample: pd.DataFrame) -> int:
    """Return the position of the ids: the first column in which all values differ and are no shares, else 0."""
    for position, name in enumerate(sample.columns):
        column = sample.iloc[:, position]
        is_id = name not in sample.columns[:position] and column.is_unique and (column != "").all()
        if is_id and not _has_shares(column):
            return position
    return 0


def form_of(
    sample: pd.DataFrame,
    classes: list[int | str],
    metric: Metric,
    *,
    label_sets: bool = False,
    separator: str | None = None,
    kind: str | None = None,
    positive: tuple[int, ...] = (),
) -> Form:
    """Return the form of a submission.

    Args:
        sample: the sample submission, as texts.
        classes: the labels' values, in the spelling of submissions.
        metric: of the task. The form must give it what it judges.
        label_sets: whether an image can have several labels.
        separator: between the labels of a set, by default a blank.
        kind: the form that the entry declares. By default it is read from the sample and follows the metric.
        positive: the indices of the positive classes, if they are known.

    Raises:
        ValueError: the sample has no such form, or the metric judges something else. The message names the line to
            write into the task's entry.
    """
    if sample.columns.has_duplicates:
        raise ValueError(f"column {sample.columns[sample.columns.duplicated()][0]!r} occurs twice in the header")
    at = id_position(sample)
    columns = tuple(name for position, name in enumerate(sample.columns) if position != at)
    base = Form(LABEL, sample.columns[at], columns, tuple(classes), label_sets, separator or BLANK)
    kind = kind or _kind(base, sample, metric)
    if kind != COLUMNS and len(columns) > 1:
        listed = shortened(columns)
        raise ValueError(f"{len(sample.columns)} columns ({base.id_column}, {listed}), expected two for form {kind}")
    _check_agreement(kind, base, sample, metric, positive)
    if kind == COLUMNS:
        return replace(base, kind=kind, order=_class_order(columns, classes))
    if kind == PROBABILITY:
        if not positive:
            example = shortened(classes, 1)
            raise ValueError(
                f"column {columns[0]!r} holds the probability of one class; name it by "
                f"`submission: {{form: probability, positive: {example}}}`, or another of {shortened(classes)}"
            )
        return replace(base, kind=kind, positive=positive)
    return replace(base, kind=kind, k=metric.k or 1)


def metric_of_form(metric: Metric, form: Form) -> Metric:
    """Return the metric for predictions of a form: those of all classes have no positive one."""
    return replace(metric, positive=()) if form.kind == COLUMNS else metric


def grading_metric(metric: Metric, form: Form) -> Metric:
    """Return the metric for answers to a form: those to a probability are 0 and 1."""
    return replace(metric, positive=(1,) if form.kind == PROBABILITY and "binary" in metric.kinds else ())


def _kind(base: Form, sample: pd.DataFrame, metric: Metric) -> str:
    if len(base.columns) > 1:
        return COLUMNS
    cells = sample[base.columns[0]]
    if base.label_sets:
        return LABEL_SET
    if metric.judges == "rankings":
        return TOP_K
    if metric.judges == "probabilities":
        return PROBABILITY if all(cell == "" or is_number(cell) for cell in set(cells)) else LABEL
    if _has_shares(cells) and len(base.classes) == 2:
        return PROBABILITY
    return TOP_K if _most_labels(cells, base.classes) > 1 else LABEL


def _check_agreement(kind: str, base: Form, sample: pd.DataFrame, metric: Metric, positive: tuple[int, ...]) -> None:
    """Refuse a form that does not hold what the metric judges."""
    judges = metric.judges
    if base.label_sets and kind not in (LABEL_SET, COLUMNS):
        raise ValueError(f"form {kind} for label sets; write `submission: label_set` or columns")
    if kind == LABEL_SET and not base.label_sets:
        raise ValueError("form label_set, but each image has one label; declare train.label_separator")
    if kind == TOP_K and judges != "rankings":
        labels = _most_labels(sample[base.columns[0]], base.classes)
        raise ValueError(
            f"{labels} labels in a cell, but metric {metric.name} judges one; write "
            f"`metric: {{name: map_at_k, k: {labels}}}`, or declare train.label_separator if an image has several"
        )
    if judges == "rankings" and kind not in (TOP_K, COLUMNS):
        raise ValueError(f"form {kind}, but metric {metric.name} judges {metric.k} labels; write `submission: top_k`")
    if judges == "probabilities" and kind in (LABEL, LABEL_SET):
        advice = "`metric: accuracy`" if kind == LABEL else "`metric: micro_f1`"
        short_form = PROBABILITY if positive else f"{{form: {PROBABILITY}, positive: {shortened(base.classes, 1)}}}"
        raise ValueError(
            f"form {kind}, but metric {metric.name} judges probabilities; write {advice} or "
            f"`submission: {COLUMNS if kind == LABEL_SET else short_form}`"
        )
    if kind == PROBABILITY and judges == "probabilities" and "binary" not in metric.kinds:
        raise ValueError(f"metric {metric.name} judges the probabilities of all classes, expected form columns")
    if kind == COLUMNS and metric.kinds == {"binary"}:
        raise ValueError(f"metric {metric.name} judges the probability of one class, expected form probability")


def _class_order(columns: Iterable[str], classes: list[int | str]) -> tuple[int, ...]:
    """Return the index of each column's class.

    Raises:
        ValueError: a column is no class, or a class has no column or two.
    """
    find, order = class_finder(classes), []
    for name in columns:
        index = find(name)
        if index is None:
            expected = f"expected an id and a column for each of {shortened(classes)}"
            raise ValueError(f"column {name!r} is no class, {expected}")
        if index in order:
            raise ValueError(f"column {name!r} is class {classes[index]!r}, which has another column, too")
        order.append(index)
    missing = set(range(len(classes))) - set(order)
    if missing:
        raise ValueError(f"no column for class {classes[min(missing)]!r} ({len(missing)} such classes)")
    return tuple(order)


def _has_shares(cells: pd.Series) -> bool:
    """Return whether all cells are numbers from 0 to 1, and some are fractions."""
    texts = set(cells)
    if not all(map(is_number, texts)):
        return False
    numbers = [float(text) for text in texts]
    return max(numbers, default=2) <= 1 and any(0 < number < 1 for number in numbers)


def _most_labels(cells: pd.Series, classes: tuple[int | str, ...]) -> int:
    """Return how many labels a cell has at most. A class with blanks in its name is one label."""
    find = class_finder(classes)
    lists = [names_in(cell, BLANK) for cell in set(cells) if find(cell) is None]
    return max((len(names) for names in lists if all(find(name) is not None for name in names)), default=1)
