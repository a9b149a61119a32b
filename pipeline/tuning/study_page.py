"""What a study found: its figures for programs, and a page of tables and Optuna's plots for people."""

import html
import warnings
from collections.abc import Callable
from typing import Any

import optuna
import pandas as pd
from optuna import visualization
from optuna.trial import FrozenTrial, TrialState

from features.labels.intervals import bounds, with_bounds
from pipeline.config.options import decoded
from pipeline.storage.task_data import TaskData
from pipeline.tuning.search import best_of
from pipeline.tuning.study import DEFAULTS, REASON

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "given up": TrialState.FAIL}
LEAST_TRIALS = 3  # complete, below which there is nothing to plot
PLOTS = (
    visualization.plot_optimization_history,
    visualization.plot_intermediate_values,
    visualization.plot_parallel_coordinate,
    visualization.plot_param_importances,
)
NOTE = (
    "Each trial is scored on the rows of one fold, and the best of many is best partly by luck, so its score is too "
    "good. What the chosen options are worth is the out-of-fold accuracy that train and predict measure."
)


def summary(study: optuna.Study, task: str) -> dict[str, Any]:
    """Return the best trial and the defaults', how many trials ended how, and why those failed that did."""
    trials = study.get_trials(deepcopy=False)
    defaults = [t for t in trials if DEFAULTS in t.user_attrs and t.state == TrialState.COMPLETE]
    best, rows = best_of(study), int((TaskData(task).folds == 0).sum())
    return {
        "study": study.study_name,
        "trials": {name: sum(trial.state == state for trial in trials) for name, state in STATES.items()},
        "validation_rows": rows,
        "best": _told(best, rows),
        "defaults": _told(defaults[0], rows) if defaults else None,
        "reasons": {str(trial.number): trial.user_attrs[REASON] for trial in trials if REASON in trial.user_attrs},
    }


def _told(trial: FrozenTrial, rows: int) -> dict[str, Any]:
    options = {name: decoded(value) for name, value in trial.params.items()}
    return {"number": trial.number, "validation_accuracy": trial.value, **bounds(trial.value, rows), "options": options}


def page(study: optuna.Study, title: str, made: dict[str, Any]) -> str:
    """Return a page of HTML that needs nothing beside it: best options against defaults, and how the search went."""
    best, defaults = made["best"], made["defaults"] or {"options": {}}
    columns = {"best": best, "defaults": defaults}
    rows = {"validation accuracy": {name: _score(each) for name, each in columns.items()}}
    rows |= {key: {name: each["options"].get(key) for name, each in columns.items()} for key in best["options"]}
    tables = [pd.DataFrame(rows).T.to_html(na_rep="")]
    if made["reasons"]:
        tables.append(pd.Series(made["reasons"], name="ended early, because").to_frame().to_html())
    counts = ", ".join(f"{count} {state}" for state, count in made["trials"].items())
    body = [
        f"<h1>{title}</h1>",
        f"<p>Trials: {counts}. {NOTE}</p>",
        *tables,
        *_plots(study, made["trials"]["complete"]),
    ]
    title = html.escape(title)
    style = "body {font-family: sans-serif; margin: 2em} td, th {padding: 2px 10px; text-align: left}"
    return (
        f"<!doctype html><meta charset='utf-8'><title>{title}</title><style>{style}</style><h1>{title}</h1>"
        + "\n".join(body)
    )


def _score(trial: dict[str, Any]) -> str:
    if "validation_accuracy" not in trial:
        return ""
    return with_bounds(trial["validation_accuracy"], trial["low"], trial["high"])


def _plots(study: optuna.Study, complete: int) -> list[str]:
    if complete < LEAST_TRIALS:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the plots are marked as experimental
        return [_html(plot, study, first=index == 0) for index, plot in enumerate(PLOTS)]


def _html(plot: Callable[[optuna.Study], Any], study: optuna.Study, first: bool) -> str:
    return plot(study).to_html(full_html=False, include_plotlyjs=first)
