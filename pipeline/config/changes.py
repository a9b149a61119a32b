"""Change settings of a member, or of its task, by their paths: `training.momentum`, `split.holdout_share`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from models.registry.signatures import options_of
from pipeline.config.errors import quote
from pipeline.config.parsing import parse
from pipeline.config.tree import Fault

if TYPE_CHECKING:
    from pipeline.config.schema import Member, Task

FIXED = ("task", "preset", "tune", "ingest", "competition")  # keys that no variant can change
EXPECTED = "expected a key of a member such as training.momentum, or of its task such as split.holdout_share"


def with_changes(member: Member, task: Task, changes: dict[str, Any]) -> tuple[Member, Task]:
    """Return the member and its task with new values, by path.

    Raises:
        Fault: a path is no setting, or a value is not legal.
    """
    trees = [json.loads(json.dumps(entry.model_dump())) for entry in (member, task)]
    for path, value in changes.items():
        first, *others = path.split(".")
        tree = next((tree for tree in trees if first in tree and first not in FIXED), None)
        if tree is None:
            raise Fault((), f"{quote(path)} is no setting; {EXPECTED}")
        _assign(tree, [first, *others], value)
    return parse(type(member), trees[0]), parse(type(task), trees[1])


def value_at(member: Member, task: Task, path: str) -> Any:
    """Return the value of a setting, which may be a default; None if there is none."""
    options = {name: default for name, (_, default) in options_of(member.architecture).items()} | member.options
    value: Any = task.model_dump() | member.model_dump() | {"options": options}
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _assign(tree: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        if not isinstance(tree.get(key), dict):
            tree[key] = {}  # such as `generate`, which is null if the entry leaves it out
        tree = tree[key]
    tree[keys[-1]] = value
