"""Readers of the JSON summaries that stages write: training, predictions, ensemble and score."""

from typing import Any

from pipeline.storage import paths
from pipeline.storage.files import load_json, reading

RUN = {"architecture": str, "layers": int, "parameters": int, "flops": int | float, "runs": list}
METRICS = dict.fromkeys(("accuracy", "precision", "recall", "f1"), int | float) | {"roc_auc": int | float | None}
ENSEMBLE = {"method": str, "weights": dict, "temperatures": dict, "honest_accuracy": float}
SETS = {"sets": {"thresholds": dict, "at_least_one": bool}}


def load_roster(task: str) -> list[str]:
    """Return the names of the members that compete for a place in the task's ensemble, at least one."""
    with reading(path := paths.roster(task), "a list of members"):
        names = load_json(path, list)
        if not names:
            raise ValueError("it is empty")
    return names


def load_run(task: str, member: str) -> dict[str, Any]:
    """Return the summary that `train` wrote about a member's models."""
    return load_json(paths.models(task, member) / "run.json", RUN)


def load_metrics(task: str, member: str) -> dict[str, Any]:
    """Return a member's out-of-fold metrics."""
    return load_json(paths.predictions(task, member) / "metrics.json", METRICS)


def load_ensemble(task: str, *keys: str) -> dict[str, Any]:
    """Return the weights and scores of a task's ensemble, with at least these `keys` of ENSEMBLE."""
    return load_json(paths.ensemble(task) / "ensemble.json", {key: ENSEMBLE[key] for key in keys})


def load_set_thresholds(task: str) -> dict[str, Any]:
    """Return the thresholds of an ensemble for label sets, and whether each image has at least one label."""
    return load_json(paths.ensemble(task) / "ensemble.json", SETS)["sets"]


def load_scores(task: str) -> dict[str, Any]:
    """Return the scores that `score` wrote, or an empty dict before it ran."""
    path = paths.score(task)
    return load_json(path, dict) if path.exists() else {}
