"""Readers of the JSON summaries that stages write: training, predictions, ensemble and score."""

from pathlib import Path
from typing import Any

from features.labels.metrics.decisions import RULES, Decision
from pipeline.storage import paths
from pipeline.storage.files import load_json, reading

RUN = {"architecture": str, "layers": int, "parameters": int, "flops": int | float, "runs": list}
METRICS = dict.fromkeys(("score", "accuracy", "precision", "recall", "f1"), int | float) | {
    "metric": str,
    "roc_auc": int | float | None,
}
ENSEMBLE = {"method": str, "weights": dict, "temperatures": dict, "metric": str, "honest_score": float}
DECISION = {"decision": {"rule": str, "values": list}}


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


def load_decision(path: Path) -> Decision:
    """Return how probabilities become what the metric judges, from `paths.decision`."""
    entry = load_json(path, DECISION)["decision"]
    with reading(path, "a summary with a decision"):
        if entry["rule"] not in RULES:
            raise ValueError(f"rule {entry['rule']!r} is unknown")
        return Decision(entry["rule"], tuple(map(float, entry["values"])))


def load_scores(task: str) -> dict[str, Any]:
    """Return the scores that `score` wrote, or an empty dict before it ran."""
    path = paths.score(task)
    return load_json(path, dict) if path.exists() else {}
