"""Learning curves of every member and fold, and where training and validation part."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from features.labels.metrics.metric import Metric
from pipeline.reporting.charts import SERIES, chart, thinned
from pipeline.reporting.section import Finding
from pipeline.reporting.task_run import TaskRun
from pipeline.storage import paths
from pipeline.storage.files import reading
from pipeline.storage.histories import NAN_ACTION, nan_sentence

TITLE = "Learning curves"
GAP = 0.05  # between training and validation accuracy, from which the page remarks on it
STILL_FALLING = 0.98  # the last validation loss by the one before, below which training may have been too short
WORSE_LOSS = 1.1  # the last validation loss by the lowest one, from which the page remarks on it


@dataclass(frozen=True)
class Curves:
    """The histories of a member's folds."""

    member: str
    epochs: str
    remarks: tuple[Finding, ...]
    chart: Markup


@dataclass(frozen=True)
class AllCurves:
    """The curves of all trained members."""

    members: tuple[Curves, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The remarks on all members."""
        return tuple(remark for curves in self.members for remark in curves.remarks)


@dataclass(frozen=True)
class _Fold:
    name: str
    history: pd.DataFrame  # a row for each epoch
    best_row: int  # whose weights the model has


def load(run: TaskRun) -> AllCurves | None:
    """Return the curves, or None before any member was trained."""
    members = [_curves(run, name) for name in run.runs]
    curves = tuple(member for member in members if member is not None)
    return AllCurves(curves) if curves else None


def _curves(run: TaskRun, name: str) -> Curves | None:
    folds = []
    for fold in run.runs[name]["runs"]:
        path = paths.models(run.task, name) / f"{fold.get('name', '')}.csv"
        if path.exists():
            with reading(path, "a history"):
                history = pd.read_csv(path)
                best_row = int(np.flatnonzero(history["epoch"] == fold["best_epoch"])[0])
            folds.append(_Fold(fold["name"], history, best_row))
    if not folds:
        return None
    column = _metric_column(run.metric, folds[0].history)
    counts = sorted({len(fold.history) for fold in folds})
    return Curves(
        name,
        " to ".join(str(count) for count in (counts[0], counts[-1])[: len(counts)]),
        tuple(_remarks(name, folds)),
        chart(
            f"{run.task}-{name}-curves",
            f"Loss, {column.removeprefix('val_')} and learning rate of {name} by epoch.",
            partial(_draw, folds, column),
            (9.4, 2.7),
        ),
    )


def _metric_column(metric: Metric | None, history: pd.DataFrame) -> str:
    """Return the column of the metric on validation rows, or that of accuracy."""
    name = f"val_{metric.name}" if metric else ""
    return name if name in history else "val_accuracy"


def _remarks(name: str, folds: list[_Fold]) -> list[Finding]:
    """Return what a reader should know about a member's training."""
    scored = [fold for fold in folds if "val_accuracy" in fold.history]
    if not scored:
        return []
    remarks = []
    if sentence := nan_sentence({fold.name: fold.history for fold in scored}):
        remarks.append(Finding(f"{name}: {sentence}.", NAN_ACTION))
    best_rows = pd.DataFrame([fold.history.iloc[fold.best_row] for fold in scored])
    train, validation = best_rows["accuracy"].mean(), best_rows["val_accuracy"].mean()
    if train - validation >= GAP:
        epoch = min(_parting(fold.history) for fold in scored)
        remarks.append(
            Finding(
                f"{name}: training and validation part from epoch {epoch} on: at the epoch kept, accuracy is "
                f"{train:.2f} on training rows and {validation:.2f} on validation rows.",
                "The network memorises. Try more augmentation, weight decay, dropout, or a smaller network.",
            )
        )
    losses = [fold.history["val_loss"] for fold in scored]
    last, lowest = np.mean([loss.iloc[-1] for loss in losses]), np.mean([loss.min() for loss in losses])
    if last > WORSE_LOSS * lowest and train - validation < GAP:
        remarks.append(
            Finding(
                f"{name}: validation loss rises at the end, from {lowest:.3g} to {last:.3g}, while training goes on.",
                "Train fewer epochs, or regularise more.",
            )
        )
    before = np.mean([loss.iloc[-2] for loss in losses if len(loss) > 1] or [0.0])
    is_last = np.mean([fold.best_row == len(fold.history) - 1 for fold in scored])
    if is_last > 0.5 and last < STILL_FALLING * before and validation < 1:
        remarks.append(
            Finding(
                f"{name}: validation loss still falls in the last epoch, from {before:.3g} to {last:.3g}.",
                "Train more epochs.",
            )
        )
    return remarks


def _parting(history: pd.DataFrame) -> int:
    """Return the first epoch from which training accuracy stays above validation accuracy by half of GAP."""
    is_close = (history["accuracy"] - history["val_accuracy"]).to_numpy() < GAP / 2
    later = np.flatnonzero(is_close)
    return int(history["epoch"].iloc[min(later[-1] + 1 if len(later) else 0, len(history) - 1)])


def _draw(folds: list[_Fold], column: str, figure: Figure) -> None:
    loss, metric, rate = figure.subplots(1, 3)
    _panel(loss, folds, "loss", "val_loss")
    _panel(metric, folds, column.removeprefix("val_"), column)
    for fold in folds:
        _line(rate, fold, "learning_rate", SERIES[2], "-")
    rate.set_title("learning rate")
    for axes in (loss, metric, rate):
        axes.set_xlabel("epoch")
    handles = {line.get_label(): line for line in loss.get_lines() if not str(line.get_label()).startswith("_")}
    loss.legend(handles.values(), handles.keys())


def _panel(axes: Axes, folds: list[_Fold], train: str, validation: str) -> None:
    """Draw a figure on training and validation rows, with a dot at each fold's epoch kept."""
    for fold in folds:
        _line(axes, fold, train, SERIES[0], "--", "training")
        _line(axes, fold, validation, SERIES[1], "-", "validation")
        if validation in fold.history:
            row = fold.history.iloc[fold.best_row]
            axes.plot(row["epoch"], row[validation], "o", color=SERIES[1], markersize=5, label="epoch kept")
    axes.set_title(train)


def _line(axes: Axes, fold: _Fold, column: str, colour: str, style: str, label: str = "") -> None:
    if column in fold.history:
        history = fold.history.iloc[thinned(len(fold.history))]
        axes.plot(history["epoch"], history[column], style, color=colour, linewidth=1.3, alpha=0.85, label=label)
