"""Check that models were trained on a task's current folds."""

from pipeline.storage import paths
from pipeline.storage.checkpoint import digest
from pipeline.storage.files import BadInput, load_json


def check_folds(task: str, key: str) -> None:
    """Refuse models that were trained on other folds: their training rows can include rows that they are scored on.

    Raises:
        BadInput: the member's `run.json` has the hash of other folds.
    """
    path = paths.models(task, key) / "run.json"
    if load_json(path, {"folds": str})["folds"] != digest([], [paths.folds(task)]):
        raise BadInput(f"{path}: trained on other folds than those of {paths.folds(task)}; rerun stage train")
