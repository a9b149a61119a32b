"""What the task's best predictions get wrong: confusion, figures of each class, curves, reliability."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from pipeline.reporting.charts import FAINT, SERIES, chart, thinned
from pipeline.reporting.reliability import Reliability, reliability
from pipeline.reporting.section import Finding
from pipeline.reporting.sprites import Tile
from pipeline.reporting.task_run import OutOfFold, TaskRun
from pipeline.reporting.texts import short

TITLE = "Errors"
MOST_CLASSES, MOST_TABLE_ROWS = 20, 60  # in the matrix; in the table of classes
PAIRS, PAIR_IMAGES = 8, 8
CURVES = 6  # classes with a curve
RANKED = ("roc_auc", "weighted_roc_auc", "mean_average_precision", "probabilistic_f1")
WEAK_F1 = 0.8  # below which a class is named among the findings


@dataclass(frozen=True)
class Cell:
    """Rows of a true class with a predicted class."""

    count: int
    share: float  # of the rows of the true class
    is_right: bool


@dataclass(frozen=True)
class Confusion:
    """The confusion matrix, of the classes with most errors if there are many."""

    names: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]  # a row for each true class, a column for each predicted one
    is_part: bool


@dataclass(frozen=True)
class Pair:
    """Two classes that are confused."""

    true: str
    predicted: str
    count: int
    rows: int  # of the true class
    tiles: tuple[tuple[Tile, str], ...]  # the most confident errors, each with its caption


@dataclass(frozen=True)
class ClassFigures:
    """Figures of one class, or of one label of label sets."""

    name: str
    rows: int
    precision: float
    recall: float
    f1: float
    false_positives: int
    misses: int


@dataclass(frozen=True)
class Errors:
    """The content of the section."""

    judged_name: str
    rows: int
    wrong: int
    confusion: Confusion | None
    pairs: tuple[Pair, ...]
    classes: tuple[ClassFigures, ...]  # lowest F1 first
    hidden_classes: int
    curves: Markup | None
    reliability: Reliability

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The most confused pair and the weakest class or, for label sets, the weakest label in any case."""
        findings = []
        if self.pairs and self.pairs[0].count > 1:
            pair = self.pairs[0]
            findings.append(
                Finding(
                    f"Most errors: {pair.count:,} of {pair.rows:,} images of {short(pair.true)} are taken for "
                    f"{short(pair.predicted)}.",
                    "Look at their images under Errors: are the labels right, and can you see the difference?",
                )
            )
        weakest = self.classes[0]
        noun, limit = ("label", 1) if self.confusion is None else ("class", WEAK_F1)
        if weakest.f1 < limit:
            findings.append(
                Finding(
                    f"Weakest {noun}: {short(weakest.name)} with F1 {weakest.f1:.2f} (precision "
                    f"{weakest.precision:.2f}, recall {weakest.recall:.2f}, {weakest.rows:,} images).",
                    "Collect more images of it, or weight it higher.",
                )
            )
        return tuple(findings)


def load(run: TaskRun) -> Errors | None:
    """Return the errors of the ensemble, or of the best member, or None before there are predictions."""
    oof, judged, decided, metric = run.out_of_fold, run.judged, run.decisions, run.metric
    if oof is None or judged is None or decided is None or metric is None or run.judged_name is None:
        return None
    is_class = oof.labels.astype(bool) if run.has_label_sets else _one_hot(oof.labels, judged.shape[1])
    predicted = decided if run.has_label_sets else _one_hot(decided, judged.shape[1])
    classes = _class_figures(run.class_names, is_class, predicted)
    single = not run.has_label_sets
    has_curves = run.has_label_sets or judged.shape[1] == 2 or metric.name in RANKED
    wrong = decided != oof.labels if single else (decided != is_class).any(axis=1)
    return Errors(
        run.judged_name,
        len(oof.rows),
        int(wrong.sum()),
        _confusion(run.class_names, oof.labels, decided) if single else None,
        _pairs(run, oof, judged, decided) if single else (),
        tuple(classes[:MOST_TABLE_ROWS]),
        max(0, len(classes) - MOST_TABLE_ROWS),
        _curves(run, is_class, judged, classes) if has_curves else None,
        reliability(run, oof),
    )


def _one_hot(indices: np.ndarray, count: int) -> np.ndarray:
    return indices[:, None] == np.arange(count)


def _confusion(names: list[str], labels: np.ndarray, predicted: np.ndarray) -> Confusion:
    counts = _counts(labels, predicted, len(names))
    errors = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
    shown = np.sort(np.argsort(-errors, kind="stable")[:MOST_CLASSES])
    rows = np.maximum(1, counts.sum(axis=1))
    cells = tuple(
        tuple(Cell(int(counts[true, other]), float(counts[true, other] / rows[true]), true == other) for other in shown)
        for true in shown
    )
    return Confusion(tuple(names[index] for index in shown), cells, len(shown) < len(names))


def _counts(labels: np.ndarray, predicted: np.ndarray, count: int) -> np.ndarray:
    """Return how many rows (count, count) of each true class have each predicted class."""
    return np.bincount(labels * count + predicted, minlength=count * count).reshape(count, count)


def _pairs(run: TaskRun, oof: OutOfFold, judged: np.ndarray, predicted: np.ndarray) -> tuple[Pair, ...]:
    """Return the pairs of classes with most errors, in either direction separately."""
    names, count = run.class_names, judged.shape[1]
    wrong = np.flatnonzero(predicted != oof.labels)
    codes, numbers = np.unique(oof.labels[wrong].astype(np.int64) * count + predicted[wrong], return_counts=True)
    rows_of_class = np.bincount(oof.labels, minlength=count)
    pairs = []
    for index in np.argsort(-numbers, kind="stable")[:PAIRS]:
        true, other = divmod(int(codes[index]), count)
        rows = wrong[(oof.labels[wrong] == true) & (predicted[wrong] == other)]
        rows = rows[np.argsort(-judged[rows, other], kind="stable")][:PAIR_IMAGES]
        tiles = run.tiles("train", oof.rows[rows])
        captions = [f"{oof.ids[row]}: {judged[row, other]:.0%} {names[other]}" for row in rows]
        pairs.append(
            Pair(
                names[true],
                names[other],
                int(numbers[index]),
                int(rows_of_class[true]),
                tuple(zip(tiles, captions, strict=True)),
            )
        )
    return tuple(pairs)


def _class_figures(names: list[str], is_class: np.ndarray, predicted: np.ndarray) -> list[ClassFigures]:
    """Return the figures of the classes that occur, lowest F1 first."""
    right = (is_class & predicted).sum(axis=0)
    true, positives = is_class.sum(axis=0), predicted.sum(axis=0)
    figures = [
        ClassFigures(
            name,
            int(true[i]),
            float(right[i] / max(1, positives[i])),
            float(right[i] / max(1, true[i])),
            float(2 * right[i] / max(1, true[i] + positives[i])),
            int(positives[i] - right[i]),
            int(true[i] - right[i]),
        )
        for i, name in enumerate(names)
        if true[i] or positives[i]
    ]
    return sorted(figures, key=lambda figure: figure.f1)


def _curves(run: TaskRun, is_class: np.ndarray, judged: np.ndarray, classes: list[ClassFigures]) -> Markup | None:
    """Return ROC and precision-recall curves: of the positive class, or of the classes with the lowest F1."""
    names, scored = run.class_names, list[tuple[str, np.ndarray, np.ndarray]]()
    if run.metric and run.metric.positive:
        positive = list(run.metric.positive)
        scored = [("positive", np.asarray(is_class[:, positive].any(axis=1)), judged[:, positive].sum(axis=1))]
    elif len(names) == 2 and not run.has_label_sets:
        scored = [(names[1], is_class[:, 1], judged[:, 1])]
    else:
        order = [names.index(figure.name) for figure in classes[:CURVES]]
        scored = [(names[index], is_class[:, index], judged[:, index]) for index in order]
    scored = [(name, true, score) for name, true, score in scored if true.any() and not true.all()]
    if not scored:
        return None
    description = "ROC and precision-recall curves of " + ", ".join(name for name, _, _ in scored)
    return chart(f"{run.task}-roc", description, partial(_draw_curves, scored), (9, 3.6))


def _draw_curves(scored: list[tuple[str, np.ndarray, np.ndarray]], figure: Figure) -> None:
    roc, precision = figure.subplots(1, 2)
    for (name, true, score), colour in zip(scored, SERIES, strict=False):
        false_rate, true_rate, _ = roc_curve(true, score)
        points = thinned(len(false_rate))
        area = roc_auc_score(true, score)
        roc.plot(false_rate[points], true_rate[points], color=colour, label=f"{short(name, 24)} {area:.3f}")
        precisions, recalls, _ = precision_recall_curve(true, score)
        points, area = thinned(len(recalls)), average_precision_score(true, score)
        precision.plot(recalls[points], precisions[points], color=colour, label=f"{short(name, 24)} {area:.3f}")
    roc.plot([0, 1], [0, 1], "--", color=FAINT, zorder=0)
    for axes, title, x, y in (
        (roc, "ROC, with its area", "false positive rate", "true positive rate"),
        (precision, "precision and recall, with average precision", "recall", "precision"),
    ):
        axes.set_title(title)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.legend(loc="lower center")
