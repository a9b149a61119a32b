"""The results of a study: a summary for programs, and all trials for the report's plots."""

from math import isfinite
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial, TrialState

from features.labels.intervals import bounds, with_bounds
from features.labels.metrics.metric import Metric
from pipeline.config.options import decode
from pipeline.storage.task_data import TaskData
from pipeline.storage.task_metric import load_metric
from pipeline.tuning.search import best_of, score_of
from pipeline.tuning.study import DEFAULTS, REASON

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "given up": TrialState.FAIL}


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


def trials(study: optuna.Study) -> dict[str, Any]:
    """Return all trials as plain values, from which the report draws Optuna's plots."""
    return {
        "direction": study.direction.name.lower(),
        "trials": [
            {
                "state": trial.state.name,
                "value": trial.value if trial.state == TrialState.COMPLETE else None,
                "params": trial.params,
                "distributions": {name: distribution_to_json(d) for name, d in trial.distributions.items()},
                "intermediate_values": {str(step): v for step, v in trial.intermediate_values.items() if isfinite(v)},
            }
            for trial in study.get_trials(deepcopy=False)
            if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        ],
    }
