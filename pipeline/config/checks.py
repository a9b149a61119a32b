"""What the entries of `params.yaml` ask of each other, once each is well formed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models import ARCHITECTURES

if TYPE_CHECKING:
    from pipeline.config.schema import Items, Member, Params, Task


def check(params: Params) -> None:
    """Refuse entries that fit no other.

    Raises:
        ValueError: a name that leads nowhere, or settings that exclude each other.
    """
    for name, member in params.members.items():
        _check_member(f"members.{name}", member, params.tasks)
        if member.pseudo_labels:
            raise ValueError(f"members.{name}.pseudo_labels: expected in an entry of students, not of members")
    for name, student in params.students.items():
        _check_member(f"students.{name}", student, params.tasks)
        _check_student(f"students.{name}", student, params.members)
        if name in params.members:
            raise ValueError(f"students.{name}: another name is expected, as members has an entry of this one")
    if "generate" in params.members | params.students:
        raise ValueError("members.generate: another name is expected, as .resume/TASK/generate is the stage's own")
    for name, task in params.tasks.items():
        if name == "ledger":
            raise ValueError("tasks.ledger: another name is expected, as submissions/ledger.csv records the uploads")
        if task.split.count < 1 or not 0 < task.split.holdout_share < 1:
            raise ValueError(f"tasks.{name}.split: expected count >= 1 and 0 < holdout_share < 1")
        made = task.generate
        if made and min(made.epochs, made.batch_size, made.latent_units, made.filters, made.images_per_class) < 1:
            raise ValueError(f"tasks.{name}.generate: only learning_rate and seed may be below 1")


def _check_member(where: str, member: Member, tasks: dict[str, Task]) -> None:
    if member.task not in tasks:
        raise ValueError(f"{where}.task: {member.task!r} is not a task; known are {', '.join(tasks)}")
    if member.architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ValueError(f"{where}.architecture: {member.architecture!r} is unknown; known are {known}")
    _check_items(where, member, tasks[member.task].prepare.items)
    _check_generated_share(where, member, tasks[member.task])
    if member.architecture == "pretrained" and member.normalise != "unit":
        raise ValueError(f"{where}.normalise: {member.normalise!r}, expected 'unit' for a pretrained network")
    if member.training.frozen_epochs and member.architecture != "pretrained":
        raise ValueError(f"{where}.training.frozen_epochs: needs architecture 'pretrained'")
    if min(member.training.epochs, member.training.batch_size) < 1:
        raise ValueError(f"{where}.training: expected epochs and batch_size of at least 1")
    watches = member.training.early_stopping_patience_epochs or member.training.schedule == "plateau"
    if watches and member.training.monitor == "none":
        raise ValueError(f"{where}.training.monitor: 'none', but early stopping and schedule 'plateau' watch a figure")
    if member.tune.jobs < 1:
        raise ValueError(f"{where}.tune: expected jobs of at least 1")


def _check_items(where: str, member: Member, items: Items | None) -> None:
    for key, value in (("input", "items"), ("head", "grid")):
        if getattr(member, key) == value and items is None:
            raise ValueError(f"{where}.{key}: {value!r} needs tasks.{member.task}.prepare.items, which is missing")
    if member.input == "items" and items.size_pixels is None:
        raise ValueError(f"{where}.input: 'items' needs tasks.{member.task}.prepare.items.size_pixels")
    if member.input == "items" and member.head == "grid":
        raise ValueError(f"{where}.head: 'grid' needs input 'images', not 'items'")


def _check_generated_share(where: str, member: Member, task: Task) -> None:
    share = member.generated_share
    if share >= 1:
        raise ValueError(f"{where}.generated_share: {share:g}, expected 0 or more and less than 1")
    if share and task.generate is None:
        raise ValueError(f"{where}.generated_share: needs tasks.{member.task}.generate, which is missing")
    if share and member.input != "images":
        raise ValueError(f"{where}.generated_share: needs input 'images', not {member.input!r}")


def _check_student(where: str, student: Member, members: dict[str, Member]) -> None:
    taught = student.pseudo_labels
    if taught is None:
        raise ValueError(f"{where}.pseudo_labels: missing key, expected in every such entry")
    able = [n for n, each in members.items() if each.task == student.task and not each.training.train_on_all]
    if taught.teacher not in able:
        raise ValueError(
            f"{where}.pseudo_labels.teacher: {taught.teacher!r} is none of the entries of members for task "
            f"{student.task} without train_on_all; these are {', '.join(able) or 'none'}"
        )
    if not 0 < taught.share < 1 - student.generated_share:
        raise ValueError(f"{where}.pseudo_labels.share: {taught.share:g}, expected above 0, and real images left over")
    if taught.least_confidence > 1:
        raise ValueError(f"{where}.pseudo_labels.least_confidence: {taught.least_confidence:g}, expected at most 1")
    if student.tune.trials or student.tune.seconds:
        raise ValueError(f"{where}.tune: a student is not tuned; expected the options in its entry")
