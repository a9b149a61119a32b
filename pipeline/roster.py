"""`python -m pipeline.roster`: check params.yaml and write each entry with its defaults, and who competes in each task.

The other stages depend on these files. So an edit of an entry reruns only the stages that read it, and no command
contains a name that was not checked.
"""

from pathlib import Path

from pydantic import BaseModel

from models.registry.backbones import path_of
from models.registry.signatures import options_of
from pipeline.config.schema import Member, Params
from pipeline.running.stage import run
from pipeline.running.trackers import check_installed
from pipeline.storage import paths
from pipeline.storage.files import BadInput, blame, save_json, writing

BLOCKS = ("ingest", "prepare", "split", "predict", "ensemble", "generate")


def roster(params: Params) -> str:
    """Write every entry of `params.yaml`, complete with its defaults, and the names of each task's members.

    Raises:
        BadInput: a task has no member, the package of a member's callback is not installed, or a pretrained network has
            no weights.
    """
    names = {task: [name for name, m in params.members.items() if m.task == task] for task in params.tasks}
    for task, members in names.items():
        if not members:
            raise BadInput(f"{paths.PARAMS}: tasks.{task} has no entry in members, expected at least one")
    for name, member in params.members.items():
        check_installed(name, member.callbacks)
    with writing(paths.ENTRIES) as part:
        for name, replica in params.replicas.items():
            _save(part, paths.entry("replicas", name), replica)
        for name, member in params.members.items():
            _check_weights(name, member)
            _save(part, paths.entry("members", name), member)
        save_json(part / paths.NAMES.name, _names(params))
        for name in params.tasks:
            _save_task(part, params, name, {member: params.members[member] for member in names[name]})
    return "; ".join(f"{task} has {', '.join(members)}" for task, members in names.items())


def _check_weights(name: str, member: Member) -> None:
    """Refuse a pretrained member whose weights are not there, before other members train for hours."""
    options = options_of(member.architecture)
    if "backbone" in options:
        values = {key: member.options.get(key, options[key][1]) for key in ("backbone", "weights")}
        with blame(f"{paths.PARAMS}: members.{name}.options"):
            path_of(**values)


def _names(params: Params) -> dict[str, dict[str, bool]]:
    """Return the checked names, which `dvc.yaml` reads before it runs a stage."""
    return {
        "replicas": dict.fromkeys(params.replicas, True),
        "tasks": dict.fromkeys(params.tasks, True),
        "members": dict.fromkeys(params.members, True),
    }


def _save_task(part: Path, params: Params, key: str, members: dict[str, Member]) -> None:
    task = params.tasks[key]
    for block in BLOCKS:
        _save(part, paths.entry("tasks", key, block), getattr(task, block))
    _save(part, paths.entry("tasks", key, "submission"), task.submission)
    metric = task.metric.model_dump() | {"positive": task.submission.positive}
    _save(part, paths.entry("tasks", key, "metric"), metric)
    replicas = {paths.replica(name): replica for name, replica in params.replicas.items()}
    _save(part, paths.entry("tasks", key, "replica"), replicas.get(Path(task.ingest.folder)))
    _save(part, paths.roster(key), list(members))
    on_all = any(member.training.train_on_all and member.generated_share > 0 for member in members.values())
    _save(part, paths.all_rows(key), on_all)
    _save(part, paths.answer_group(key), task.predict.group)
    _save(part, paths.near_copies(key), task.split.near_copies)


def _save(part: Path, path: Path, value: BaseModel | list | dict | bool | None) -> None:
    place = part / path.relative_to(paths.ENTRIES)
    place.parent.mkdir(parents=True, exist_ok=True)
    save_json(place, value.model_dump() if isinstance(value, BaseModel) else value)


if __name__ == "__main__":
    run("roster", roster)
