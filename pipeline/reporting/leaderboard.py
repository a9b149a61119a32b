"""Which member is best, whether that is certain, and what each member costs."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from features.labels.intervals import bounds
from pipeline.reporting.charts import FAINT, INK, SERIES, chart
from pipeline.reporting.section import Finding
from pipeline.reporting.task_run import ENSEMBLE, TaskRun
from pipeline.reporting.texts import amount, short, signed
from pipeline.storage import paths
from pipeline.storage.costs import training_cost

TITLE = "Leaderboard"
MOST_IN_CHARTS = 20


@dataclass(frozen=True)
class Entry:
    """A member or the ensemble."""

    name: str
    score: float
    low: float
    high: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    test: dict[str, Any]  # score and interval on test rows, empty if the answers are unknown
    parameters: int | None
    operations: float  # FLOPs of training all its folds
    seconds: float
    behind: dict[str, float] | None  # by how much it is better than the best member (negative: worse), with interval
    verdict: str = ""  # whether it is worth its cost

    @property
    def is_ensemble(self) -> bool:
        """Whether it is the ensemble."""
        return self.name == ENSEMBLE


@dataclass(frozen=True)
class Leaderboard:
    """Entries, best first."""

    entries: tuple[Entry, ...]
    metric: str
    higher_is_better: bool
    rows: int
    intervals: Markup
    costs: Markup | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Which member is best, how certain that is, and whether a much cheaper one is as good."""
        members = [entry for entry in self.entries if not entry.is_ensemble]
        best, others = members[0], members[1:]
        text = f"Best member: {best.name}, {self.metric} {best.score:.4f} ({best.low:.4f} to {best.high:.4f})."
        if not others:
            return (Finding(text, "Add a second architecture: an ensemble usually scores higher."),)
        unsure = [entry.name for entry in others if not self._is_certain(best, entry)]
        if not unsure:
            return (Finding(f"{text} It is certainly better than every other member (95 %)."),)
        names = ", ".join(short(name, 40) for name in unsure[:3]) + (" and others" if len(unsure) > 3 else "")
        cheapest = min((entry for entry in [best, *others] if entry.name in [best.name, *unsure]), key=_operations)
        action = "More rows or more folds would decide it."
        if cheapest is not best and cheapest.operations < 0.5 * best.operations:
            share = best.operations / cheapest.operations
            action = f"{cheapest.name} may be as good and costs {share:.1f} times less: use it while you experiment."
        return (Finding(f"{text} That is not certain: {names} may be as good.", action),)

    def _is_certain(self, best: Entry, other: Entry) -> bool:
        """Return whether the best member is better: by the paired interval or, without one, by separate intervals."""
        if other.behind is not None:
            return other.behind["high"] < 0
        return other.high < best.low if self.higher_is_better else other.low > best.high


def load(run: TaskRun) -> Leaderboard | None:
    """Return the leaderboard, or None before any member has predictions."""
    if not run.metrics or not run.metric:
        return None
    members = [_member(run, name) for name in run.metrics]
    entries = [*members, *_ensemble(run, members)]
    sign = 1 if run.metric.higher_is_better else -1
    ranked = sorted(entries, key=lambda entry: (-sign * entry.score, entry.is_ensemble))
    ranked = [replace(entry, verdict=_verdict(entry, ranked, sign)) for entry in ranked]
    shown = ranked[:MOST_IN_CHARTS]
    draw_intervals = partial(_draw_intervals, shown, run.metric.name)
    draw_costs = partial(_draw_costs, shown, run.metric.name)
    has_costs = len(shown) > 1 and all(entry.operations > 0 for entry in shown)
    return Leaderboard(
        tuple(ranked),
        run.metric.name,
        run.metric.higher_is_better,
        next(iter(run.metrics.values())).get("rows", 0),
        chart(
            f"{run.task}-intervals",
            "The score of each member with its 95 % interval.",
            draw_intervals,
            (5.2, 1.1 + 0.28 * len(shown)),
        ),
        chart(f"{run.task}-costs", "Score against the cost of training.", draw_costs, (5.2, 3)) if has_costs else None,
    )


def _member(run: TaskRun, name: str) -> Entry:
    metrics, training = run.metrics[name], run.runs.get(name, {})
    weights = run.ensemble.get("members", {}).get(name, {})
    operations, seconds = _cost(run, name)
    rows = metrics.get("rows") or 1
    accuracy = bounds(metrics["accuracy"], rows)
    return Entry(
        name,
        metrics["score"],
        metrics.get("low", metrics["score"]),
        metrics.get("high", metrics["score"]),
        metrics["accuracy"],
        accuracy["low"],
        accuracy["high"],
        run.scores.get("members", {}).get(name, {}),
        training.get("parameters"),
        operations,
        seconds,
        weights.get("gain_over_best_member"),
    )


def _ensemble(run: TaskRun, members: list[Entry]) -> list[Entry]:
    """Return the entry of the ensemble, which costs as much as its members with a weight together."""
    if "honest_score" not in run.ensemble:
        return []
    summary = run.ensemble
    parts = [entry for entry in members if summary.get("weights", {}).get(entry.name, 1) > 0]
    score = summary["honest_score"]
    accuracy = summary.get("honest_accuracy", score)
    interval = bounds(accuracy, next(iter(run.metrics.values())).get("rows") or 1)
    return [
        Entry(
            ENSEMBLE,
            score,
            summary.get("low", score),
            summary.get("high", score),
            accuracy,
            interval["low"],
            interval["high"],
            run.scores.get("all", {}),
            None,
            sum(map(_operations, parts)),
            sum(entry.seconds for entry in parts),
            summary.get("gain_over_best_member"),
        )
    ]


def _cost(run: TaskRun, name: str) -> tuple[float, float]:
    """Return the FLOPs and the seconds of training all models of a member, 0 if they are not known."""
    has_folds = run.data is not None and paths.folds(run.task).exists()
    if name not in run.runs or not has_folds or not paths.times(run.task, name).exists():
        return 0.0, 0.0
    cost = training_cost(run.task, name)
    return 1e15 * cost["PFLOP"], cost["seconds"]


def _operations(entry: Entry) -> float:
    return entry.operations


def _verdict(entry: Entry, ranked: list[Entry], sign: int) -> str:
    """Return whether an entry is worth its cost: whether no other entry has its score for less, or for as much."""
    if not entry.operations:
        return ""
    others = [other for other in ranked if other is not entry and 0 < other.operations <= entry.operations]
    if not entry.is_ensemble:  # at an equal cost, only a better one counts
        others = [o for o in others if o.operations < entry.operations or sign * (o.score - entry.score) > 0]
    if not others:
        return "the cheapest"
    rival = max(others, key=lambda other: (sign * other.score, -other.operations))
    gain, times = sign * (entry.score - rival.score), entry.operations / rival.operations
    if gain <= 0:
        return f"no: {rival.name} is {'better' if gain < 0 else 'as good'} for {'less' if times > 1 else 'as much'}"
    doubt = "" if _is_certain_gain(entry, rival) else ", not certain"
    return f"{signed(gain)} for {times:.3g} times the cost of {rival.name}{doubt}"


def _is_certain_gain(entry: Entry, rival: Entry) -> bool:
    """Return whether an entry is better than a rival, by the paired interval of either to the best member.

    If neither is the best member, no interval compares them.
    """
    if entry.behind is None:
        return rival.behind is not None and rival.behind["high"] < 0
    return rival.behind is None and entry.behind["low"] > 0


def _draw_intervals(entries: list[Entry], metric: str, figure: Figure) -> None:
    axes = figure.subplots()
    places = np.arange(len(entries))[::-1]
    for place, entry in zip(places, entries, strict=True):
        colour = SERIES[1] if entry.is_ensemble else SERIES[0]
        axes.plot([entry.low, entry.high], [place, place], color=colour, linewidth=3, solid_capstyle="round", alpha=0.5)
        axes.plot(entry.score, place, "o", color=colour, markersize=6)
    axes.set_yticks(places, [short(entry.name, 28) for entry in entries])
    axes.set_ylim(-0.6, len(entries) - 0.4)
    axes.set_xlabel(f"out-of-fold {metric}, 95 % interval")


def _draw_costs(entries: list[Entry], metric: str, figure: Figure) -> None:
    axes = figure.subplots()
    for entry in entries:
        colour, below = (SERIES[1], -12) if entry.is_ensemble else (SERIES[0], 5)
        axes.plot([entry.operations] * 2, [entry.low, entry.high], color=colour, linewidth=2, alpha=0.4)
        axes.plot(entry.operations, entry.score, "o", color=colour, markersize=6)
        axes.annotate(
            short(entry.name, 24),
            (entry.operations, entry.score),
            (7, below),
            textcoords="offset points",
            color=INK,
            annotation_clip=False,
        )
    worthy = sorted((entry for entry in entries if not entry.verdict.startswith("no:")), key=_operations)
    axes.plot([e.operations for e in worthy], [e.score for e in worthy], "--", color=FAINT, zorder=0)
    axes.set_xscale("log")
    costs = [entry.operations for entry in entries]
    axes.set_xlim(min(costs) / 1.6, max(costs) * 4)
    axes.minorticks_off()
    ticks = [min(costs), max(costs)] if max(costs) > 3 * min(costs) else [max(costs)]
    axes.set_xticks(ticks, [f"{amount(tick)}FLOP" for tick in ticks])
    axes.set_xlabel("training of all folds")
    axes.set_ylabel(metric)
