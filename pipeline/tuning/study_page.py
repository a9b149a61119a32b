"""The results of a study: a summary for programs, and a page of tables and Optuna's plots for people."""

import html
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import optuna
import pandas as pd
from optuna import visualization
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState

from features.labels.intervals import bounds, with_bounds
from features.labels.metrics.metric import Metric
from pipeline.config.options import decode
from pipeline.storage.task_data import TaskData
from pipeline.storage.task_metric import load_metric
from pipeline.tuning.search import best_of, score_of
from pipeline.tuning.study import DEFAULTS, REASON

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "given up": TrialState.FAIL}
LEAST_TRIALS = 3  # complete trials from which plots are useful
PLOTS: tuple[Callable[[optuna.Study], Any], ...] = (
    visualization.plot_optimization_history,
    visualization.plot_intermediate_values,
    visualization.plot_parallel_coordinate,
    partial(visualization.plot_param_importances, evaluator=FanovaImportanceEvaluator(seed=0)),
)
NOTE = (
    "Each trial is scored on the rows of one fold. The best of many trials is best partly by luck, so its score is too "
    "good. The honest score of its options is the out-of-fold score after train and predict."
)


def summary(study: optuna.Study, task: str) -> dict[str, Any]:
    """Return the best trial, the trial with the defaults, the number of trials by state, and reasons of failures."""
    trials = study.get_trials(deepcopy=False)
    defaults = [t for t in trials if DEFAULTS in t.user_attrs and t.state == TrialState.COMPLETE]
    data = TaskData(task)
    metric, rows = load_metric(data), int((data.folds == 0).sum())
    return {
        "study": study.study_name,
        "metric": metric.name,
        "trials": {name: sum(trial.state == state for trial in trials) for name, state in STATES.items()},
        "validation_rows": rows,
        "best": _trial_summary(best_of(study), metric, rows),
        "defaults": _trial_summary(defaults[0] if defaults else None, metric, rows),
        "reasons": {str(trial.number): trial.user_attrs[REASON] for trial in trials if REASON in trial.user_attrs},
    }


def _trial_summary(trial: FrozenTrial | None, metric: Metric, rows: int) -> dict[str, Any] | None:
    if trial is None:
        return None
    options, score = {name: decode(value) for name, value in trial.params.items()}, score_of(trial)
    interval = bounds(score, rows) if metric.hits is not None else {}
    return {"number": trial.number, "validation_score": score, **interval, "options": options}


def score_text(trial_summary: dict[str, Any]) -> str:
    """Return the validation score of a trial, with its interval if the metric is a share of rows."""
    score = trial_summary["validation_score"]
    return with_bounds(score, trial_summary["low"], trial_summary["high"]) if "low" in trial_summary else f"{score:.4f}"


def page(study: optuna.Study, title: str, study_summary: dict[str, Any]) -> str:
    """Return a self-contained HTML page: the best options next to the defaults, and plots of the search."""
    best, defaults = study_summary["best"], study_summary["defaults"] or {"options": {}}
    columns = {"best": best, "defaults": defaults}
    rows = {f"validation {study_summary['metric']}": {name: _score(trial) for name, trial in columns.items()}}
    rows |= {key: {name: trial["options"].get(key) for name, trial in columns.items()} for key in best["options"]}
    tables = [pd.DataFrame(rows).T.to_html(na_rep="")]
    if study_summary["reasons"]:
        tables.append(pd.Series(study_summary["reasons"], name="ended early, because").to_frame().to_html())
    counts = ", ".join(f"{count} {state}" for state, count in study_summary["trials"].items())
    body = [
        f"<p>Trials: {counts}. {NOTE}</p>",
        *tables,
        *_plots(study, study_summary["trials"]["complete"]),
    ]
    title = html.escape(title)
    style = "body {font-family: sans-serif; margin: 2em} td, th {padding: 2px 10px; text-align: left}"
    return (
        f"<!doctype html><meta charset='utf-8'><title>{title}</title><style>{style}</style><h1>{title}</h1>"
        + "\n".join(body)
    )


def _score(trial: dict[str, Any]) -> str:
    return score_text(trial) if "validation_score" in trial else ""


def _plots(study: optuna.Study, complete: int) -> list[str]:
    if complete < LEAST_TRIALS:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the plots are marked as experimental
        # Without a name for its element, each plot gets a random one, and equal studies have different pages.
        return [
            plot(study).to_html(full_html=False, include_plotlyjs=index == 0, div_id=f"plot-{index}")
            for index, plot in enumerate(PLOTS)
        ]
