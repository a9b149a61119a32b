"""The cost of a member's training."""

from pipeline.storage import paths
from pipeline.storage.files import load_json
from pipeline.storage.summaries import load_run
from pipeline.storage.task_data import TaskData

PASSES = 3  # a training step takes about three times the operations of a forward pass


def training_cost(task: str, member: str) -> dict[str, float]:
    """Return `PFLOP` and `seconds` of a member's training, for all of its models together.

    PFLOP counts 10^15 operations: three forward passes for each training image of each epoch. It is the same on every
    machine. The seconds are those of the epochs without validation.
    """
    summary, data = load_run(task, member), TaskData(task)
    seconds = load_json(paths.times(task, member), {"seconds_per_epoch": dict})["seconds_per_epoch"]
    images = sum(run["epochs"] * _training_rows(run["name"], data) for run in summary["runs"])
    return {
        "PFLOP": PASSES * summary["flops"] * images / 1e15,
        "seconds": round(sum(run["epochs"] * seconds[run["name"]] for run in summary["runs"]), 1),
    }


def _training_rows(name: str, data: TaskData) -> int:
    """Return the number of training images of the model `fold-K`, or of the model on all rows."""
    _, _, fold = name.partition("fold-")
    return len(data.training_rows(int(fold))) if fold else len(data.labels)
