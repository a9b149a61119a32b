"""Checks across the entries of `params.yaml`, after each entry has been parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.changes import with_changes
from pipeline.config.errors import quote
from pipeline.config.metric import ROW_ORDER
from pipeline.config.options import check_options, check_space
from pipeline.config.tree import Fault, Path

if TYPE_CHECKING:
    from pipeline.config.schema import Items, Member, Params, Task

RESERVED_TASKS = {  # names of tasks that would have the same path as another file, with that file
    "ledger": "submissions/ledger.csv records the uploads",
    "roster": "artifacts/roster lists the members of all tasks",
    "entries": "artifacts/entries holds the entries of all tasks",
}


def check(params: Params) -> None:
    """Refuse entries that do not match each other.

    Raises:
        Fault: a name that has no entry or is reserved, an unknown option, or settings that exclude each other.
    """
    _check_names(params)
    for name, task in params.tasks.items():
        if task.submission.k not in (None, task.metric.k):
            path = ("tasks", name, "submission", "k")
            raise Fault(path, f"{task.submission.k}, expected {task.metric.k} as in tasks.{name}.metric")
        if task.ensemble.method == "rank" and task.metric.name not in ROW_ORDER:
            path = ("tasks", name, "ensemble", "method")
            raise Fault(path, f"'rank' needs one of the metrics {', '.join(ROW_ORDER)}, not {task.metric.name}")
    for name, member in params.members.items():
        check_member(("members", name), member, params.tasks)
        if member.pseudo_labels:
            raise Fault(("members", name, "pseudo_labels"), "expected in an entry of students, not of members")
    _check_ablations(params)
    for name, student in params.students.items():
        check_member(("students", name), student, params.tasks)
        _check_student(("students", name), student, params.members)


def _check_names(params: Params) -> None:
    for parts in (("replicas",), ("tasks",), ("members", "students")):
        spellings: dict[str, str] = {}
        for path in [(part, name) for part in parts for name in getattr(params, part)]:
            other = spellings.setdefault(path[1].casefold(), path[1])
            if other == path[1] and path[0] == "students" and other in params.members:
                raise Fault(path, "another name is expected, as members has an entry of this one")
            if other != path[1]:
                raise Fault(path, f"another name is expected, as {other!r} differs in case alone")
    for name in params.tasks:
        if name.casefold() in RESERVED_TASKS:
            raise Fault(("tasks", name), f"another name is expected, as {RESERVED_TASKS[name.casefold()]}")
    for part in ("members", "students"):
        for name in getattr(params, part):
            if name.casefold() == "generate":
                raise Fault((part, name), "another name is expected, as .resume/TASK/generate is the stage's own")


def _check_ablations(params: Params) -> None:
    for name, ablation in params.ablations.items():
        path = ("ablations", name)
        if ablation.member not in params.members:
            names = ", ".join(params.members)
            raise Fault((*path, "member"), f"{quote(ablation.member)} is not a member; known are {names}")
        member = params.members[ablation.member]
        for index, changes in enumerate(ablation.variants):
            place = (*path, "variants", index)
            try:
                changed, task = with_changes(member, params.tasks[member.task], changes)
                check_member((), changed, {member.task: task})
            except Fault as fault:
                raise Fault(place, str(fault)) from None
            epochs = changed.training.epochs
            if ablation.epoch is not None and ablation.epoch > epochs:
                raise Fault((*path, "epoch"), f"{ablation.epoch}, expected at most {epochs}, the epochs of a variant")


def check_member(path: Path, member: Member, tasks: dict[str, Task]) -> None:
    """Refuse a member whose settings do not match each other, its architecture or its task.

    Raises:
        Fault: an unknown task or option, or settings that exclude each other.
    """
    if member.task not in tasks:
        raise Fault((*path, "task"), f"{member.task!r} is not a task; known are {', '.join(tasks)}")
    check_options(path, member)
    check_space(path, member)
    _check_items(path, member, tasks[member.task].prepare.items)
    _check_generated_share(path, member, tasks[member.task])
    _check_columns(path, member, tasks[member.task])
    if member.architecture in ("features", "pretrained") and member.normalise != "unit":
        raise Fault((*path, "normalise"), f"{member.normalise!r}, expected 'unit' for a pretrained network")
    if member.architecture == "features":
        _check_features(path, member)
    if member.training.frozen_epochs and member.architecture != "pretrained":
        raise Fault((*path, "training", "frozen_epochs"), "needs architecture 'pretrained'")
    if member.training.imbalance != "none" and member.architecture == "features":
        raise Fault((*path, "training", "imbalance"), "expected none with architecture 'features'")
    if member.training.first_layer_rate_share < 1 and member.architecture != "pretrained":
        raise Fault((*path, "training", "first_layer_rate_share"), "needs architecture 'pretrained'")


def _check_features(path: Path, member: Member) -> None:
    """Refuse settings of a member whose images are seen only once."""
    neutral = {"input": "images", "head": "whole", "generated_share": 0, "resize_pixels": None}
    for key, value in neutral.items():
        if getattr(member, key) != value:
            hint = "; use its option size_pixels" if key == "resize_pixels" else ""
            raise Fault(
                (*path, key), f"{quote(getattr(member, key))}, expected none with architecture 'features'{hint}"
            )
    if member.options.get("weights", "imagenet") is None:
        raise Fault((*path, "options", "weights"), "null, expected pretrained weights with architecture 'features'")
    if member.augment != type(member.augment)():
        raise Fault((*path, "augment"), "expected none with architecture 'features'; its option flip adds a view")


def _check_items(path: Path, member: Member, items: Items | None) -> None:
    if items is None:
        for key, value in (("input", "items"), ("head", "grid")):
            if getattr(member, key) == value:
                raise Fault((*path, key), f"{value!r} needs tasks.{member.task}.prepare.items, which is missing")
        return
    if member.input == "items" and items.size_pixels is None:
        raise Fault((*path, "input"), f"'items' needs tasks.{member.task}.prepare.items.size_pixels")
    if member.input == "items" and member.head == "grid":
        raise Fault((*path, "head"), "'grid' needs input 'images', not 'items'")


def _check_columns(path: Path, member: Member, task: Task) -> None:
    """Refuse what changes images or mixes them in a way that their columns cannot follow."""
    if task.prepare.columns is None or not member.columns:
        return
    augment = member.augment
    others = {
        "input": member.input != "images",
        "head": member.head != "whole",
        "generated_share": member.generated_share > 0,
        "augment": augment.mixup_alpha > 0 or augment.cutmix_alpha > 0 or augment.ricap_beta > 0,
    }
    for key, is_other in others.items():
        if is_other:
            what = "mixes images" if key == "augment" else f"is {getattr(member, key)!r}"
            remedy = f"which tasks.{member.task}.prepare.columns cannot join; or set columns: false"
            raise Fault((*path, key), f"{what}, {remedy}")


def _check_generated_share(path: Path, member: Member, task: Task) -> None:
    if member.generated_share and task.generate is None:
        raise Fault((*path, "generated_share"), f"needs tasks.{member.task}.generate, which is missing")
    if member.generated_share and member.input != "images":
        raise Fault((*path, "generated_share"), f"needs input 'images', not {member.input!r}")


def _check_student(path: Path, student: Member, members: dict[str, Member]) -> None:
    pseudo_labels = student.pseudo_labels
    if pseudo_labels is None:
        raise Fault((*path, "pseudo_labels"), "missing key, expected in every such entry")
    teachers = [n for n, member in members.items() if member.task == student.task and not member.training.train_on_all]
    if pseudo_labels.teacher not in teachers:
        raise Fault(
            (*path, "pseudo_labels", "teacher"),
            f"{pseudo_labels.teacher!r} is none of the entries of members for task {student.task} without "
            f"train_on_all; these are {', '.join(teachers) or 'none'}",
        )
    if pseudo_labels.share >= 1 - student.generated_share:
        raise Fault((*path, "pseudo_labels", "share"), f"{pseudo_labels.share:g}, expected real images left over")
    if student.tune.trials or student.tune.seconds:
        raise Fault((*path, "tune"), "a student is not tuned; expected the options in its entry")
