"""Checks of an architecture's options and of a member's search space, before any training and without Keras."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, create_model

from models.registry.signatures import options_of
from pipeline.config.errors import quote
from pipeline.config.parsing import parse, unknown_key
from pipeline.config.tree import Fault, Path

if TYPE_CHECKING:
    from pipeline.config.schema import Member

BLOCKS = ("options", "training", "augment")
RANGE = ("low", "high", "log", "step")
MOST_CHOICES = 1000


@cache
def options_model(architecture: str) -> type[BaseModel]:
    """Return a pydantic model of an architecture's options, with the bounds and defaults of its `build`."""
    config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    fields: dict[str, Any] = options_of(architecture)
    return create_model(f"Options of {architecture}", __config__=config, **fields)


def check_options(path: Path, member: Member) -> None:
    """Refuse options that the member's architecture does not have.

    Raises:
        Fault: an unknown option, or a value out of bounds.
    """
    _check_block((*path, "options"), member, "options", member.options)


def check_space(path: Path, member: Member) -> None:
    """Refuse a search space with settings or values that are not legal in the member's entry.

    Raises:
        Fault: an unknown block or setting, a value out of bounds, or neither choices nor a range.
    """
    path = (*path, "tune", "space")
    for block, settings in member.tune.space.items():
        if block not in BLOCKS:
            raise unknown_key((*path, block), list(BLOCKS))
        own = _own_values(member, block)
        for key, setting in settings.items():
            if key not in own:
                raise unknown_key((*path, block, key), list(own))
            for value in () if setting is None else _values((*path, block, key), setting, own[key]):
                _check_block((*path, block), member, block, own | {key: value})


def with_values(member: Member, values: dict[str, Any]) -> Member:
    """Return the member with new values of settings, by `block.key`.

    Raises:
        Fault: a value is not legal.
    """
    tree = json.loads(json.dumps(member.model_dump()))
    for name, value in values.items():
        block, _, key = name.partition(".")
        tree[block][key] = decode(value)
    return parse(type(member), tree)


def decode(value: Any) -> Any:
    """Return a setting's value for a member. In a study, a list is written as JSON."""
    return json.loads(value) if isinstance(value, str) and value.startswith("[") else value


def _check_block(path: Path, member: Member, block: str, tree: dict[str, Any]) -> None:
    model = options_model(member.architecture) if block == "options" else type(getattr(member, block))
    try:
        parse(model, tree)
    except Fault as fault:
        raise Fault((*path, *fault.path), fault.sentence) from None


def _own_values(member: Member, block: str) -> dict[str, Any]:
    if block == "options":
        return {name: default for name, (_, default) in options_of(member.architecture).items()} | member.options
    return getattr(member, block).model_dump()


def _values(path: Path, setting: Any, own: Any) -> list[Any]:
    """Return the values of a setting that must be legal: all choices, or both ends of a range."""
    if isinstance(setting, list) and 0 < len(setting) <= MOST_CHOICES:
        return setting
    if not isinstance(setting, dict) or not {"low", "high"} <= set(setting) <= set(RANGE):
        raise Fault(path, f"{quote(setting)} is not a list of choices or a range of {', '.join(RANGE)}")
    ends, log, step = [setting["low"], setting["high"]], setting.get("log", False), setting.get("step")
    if any(type(end) not in (int, float) for end in ends) or type(own) not in (int, float):
        raise Fault(path, f"{quote(setting)} is not a list of choices, which {quote(own)} needs")
    if ends[0] > ends[1] or type(log) is not bool or not (step is None or (type(step) in (int, float) and step > 0)):
        raise Fault(path, f"{quote(setting)}, expected low <= high, log: true or false, and a step above 0")
    if log and (step is not None or min(*ends, own) <= 0):
        raise Fault(path, f"{quote(setting)}, expected low and the entry's own {own!r} above 0, and no step, with log")
    return ends
