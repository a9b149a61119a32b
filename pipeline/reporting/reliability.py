"""How well confidence fits the share of right answers, before and after each fold's temperature."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from features.calibration import calibrate_rows, fit_temperatures
from features.labels.targets import as_binary, from_binary
from pipeline.reporting.charts import FAINT, SERIES, chart
from pipeline.reporting.task_run import OutOfFold, TaskRun

BINS, LEAST_ROWS = 12, 5  # of confidence; a bin with fewer rows gets no dot


@dataclass(frozen=True)
class Reliability:
    """Diagrams and calibration errors."""

    chart: Markup
    errors: tuple[tuple[str, float, float], ...]  # calibration error of each member before and after temperature


def reliability(run: TaskRun, oof: OutOfFold) -> Reliability:
    """Return the diagrams of the best member, and the errors of all members."""
    members = np.stack(list(oof.members.values()))
    _, folds = np.unique(oof.folds, return_inverse=True)
    if run.has_label_sets:
        count = members.shape[2]
        labels, label_folds = oof.labels.reshape(-1).astype(int), np.repeat(folds, count)
        rows = as_binary(members)
        calibrated = calibrate_rows(rows, fit_temperatures(rows, labels, label_folds), label_folds)
        after = np.stack([from_binary(member, count) for member in calibrated])
    else:
        after = calibrate_rows(members, fit_temperatures(members, oof.labels, folds), folds)
    best = list(oof.members).index(run.best_member) if run.best_member in oof.members else 0
    pairs = [
        (_bins(*_confidence(before, oof.labels)), _bins(*_confidence(later, oof.labels)))
        for before, later in zip(members, after, strict=True)
    ]
    errors = tuple(
        (name, _calibration_error(before), _calibration_error(later))
        for name, (before, later) in zip(oof.members, pairs, strict=True)
    )
    name = list(oof.members)[best]
    drawn = chart(
        f"{run.task}-reliability",
        f"Reliability of {name}: share of right answers by confidence, before and after temperature.",
        partial(_draw_reliability, pairs[best]),
        (9, 3.2),
    )
    return Reliability(drawn, errors)


def _confidence(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the confidence and whether it is right: of each row's best class, or of each label of label sets."""
    if labels.ndim == 2:
        return probabilities.reshape(-1), labels.reshape(-1).astype(bool)
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def _bins(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the rows, the mean confidence and the share of right answers (3, bins) of bins of equal width."""
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    rows = np.bincount(places, minlength=BINS)
    sums = [np.bincount(places, weights=values, minlength=BINS) for values in (confidence, right)]
    with np.errstate(invalid="ignore"):
        return np.stack([rows, *(values / rows for values in sums)])


def _calibration_error(bins: np.ndarray) -> float:
    """Return the expected calibration error (Guo et al., "On Calibration of Modern Neural Networks", 2017)."""
    rows, confidence, right = bins
    return float(np.nansum(rows * np.abs(confidence - right)) / max(1, rows.sum()))


def _draw_reliability(pair: tuple[np.ndarray, np.ndarray], figure: Figure) -> None:
    panels: list[Axes] = list(figure.subplots(1, 2, sharey=True))
    for axes, bins, title in zip(panels, pair, ("before temperature", "after temperature"), strict=True):
        rows, confidence, right = bins
        axes.plot([0, 1], [0, 1], "--", color=FAINT, zorder=0)
        axes.bar((np.arange(BINS) + 0.5) / BINS, rows / rows.sum(), 0.9 / BINS, color=SERIES[3], alpha=0.25)
        dots = rows >= LEAST_ROWS
        axes.plot(confidence[dots], right[dots], "o-", color=SERIES[0], markersize=4, linewidth=1.3)
        axes.set_title(f"{title}: error {_calibration_error(bins):.4f}")
        axes.set_xlabel("confidence")
    panels[0].set_ylabel("share of right answers")
