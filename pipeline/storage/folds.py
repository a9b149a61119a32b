"""Whether models belong to a task's folds."""

from pipeline.storage import paths
from pipeline.storage.checkpoint import digest
from pipeline.storage.files import BadInput, load_json


def check_folds(task: str, key: str) -> None:
    """Refuse models of other folds: they would have seen rows that they are scored on."""
    path = paths.models(task, key) / "run.json"
    if load_json(path, {"folds": str})["folds"] != digest([], [paths.folds(task)]):
        raise BadInput(f"{path}: trained on other folds than those of {paths.folds(task)}; rerun stage train")
