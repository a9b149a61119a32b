"""The files that `dvc metrics show` and `dvc exp show` read: one for each task, and one for each member."""

from pathlib import Path
from typing import Any

from pipeline.storage import paths
from pipeline.storage.costs import training_cost
from pipeline.storage.files import save_json
from pipeline.storage.summaries import load_ensemble, load_metrics, load_scores


def save_metrics(folder: Path, members: dict[str, list[str]]) -> None:
    """Write `TASK.json` for each task with an ensemble, and `members/MEMBER.json` for each member.

    All files have the same flat keys, so that `dvc metrics show` has a row for each of them. A score that is not known
    has no key.

    Args:
        folder: an existing folder.
        members: the names of each task's members that have predictions.
    """
    (folder / "members").mkdir()
    for task, names in members.items():
        scores, costs = load_scores(task), [training_cost(task, name) for name in names]
        for name, cost in zip(names, costs, strict=True):
            summary = load_metrics(task, name)
            test = scores.get("members", {}).get(name, {}).get("score")
            _save(folder / "members" / f"{name}.json", summary["metric"], summary["score"], {"test": test} | cost)
        if paths.ensemble(task).exists():
            summary = load_ensemble(task, "metric", "honest_score")
            parts = {part: scores.get(part, {}).get("score") for part in ("public", "private")}
            total = {unit: sum(cost[unit] for cost in costs) for unit in ("PFLOP", "seconds")}
            _save(folder / f"{task}.json", summary["metric"], summary["honest_score"], parts | total)


def _save(path: Path, metric: str, out_of_fold: float, others: dict[str, Any]) -> None:
    known = {name: value for name, value in others.items() if value is not None}
    save_json(path, {"metric": metric, "out_of_fold": out_of_fold, **known})
