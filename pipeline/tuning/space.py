"""A member's search space: the settings that a trial may change, and their values.

A space maps blocks (`options`, `training`, `augment`) to settings. A setting is a list of choices or a range
`{low, high, log, step}`. The member's entry overrides the architecture's SPACE, which overrides COMMON.
"""

import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial

from pipeline.config.options import BLOCKS, RANGE, with_values
from pipeline.config.schema import Member

Distribution = CategoricalDistribution | IntDistribution | FloatDistribution
COMMON = {
    "training": {
        "learning_rate": {"low": 5e-4, "high": 2e-2, "log": True},
        "weight_decay": {"low": 0.0, "high": 0.1},
        "label_smoothing": {"low": 0.0, "high": 0.2},
    }
}


@dataclass(frozen=True)
class Space:
    """A search space for Optuna. A setting's name is `block.key`. A choice that is a list is written as JSON."""

    own: dict[str, Any]  # the entry's own values, which every distribution contains
    distributions: dict[str, Distribution]


def space_of(member: Member, family: ModuleType) -> Space:
    """Return the space of a member whose architecture is the module `family` of `models/`.

    A range or list without the entry's own value is extended to it, so that the defaults are a trial like the others.

    Raises:
        ValueError: an unknown block or setting, a value of the wrong kind, or nothing to tune.
    """
    settings = _merge(COMMON, family.SPACE, member.tune.space)
    own_values = _own_values(member, family)
    own, distributions = {}, {}
    for name, setting in settings.items():
        block, _, key = name.partition(".")
        if block not in BLOCKS:
            raise ValueError(f"{block}: unknown key; legal are {', '.join(BLOCKS)}")
        if key not in own_values[block]:
            raise ValueError(f"{name}: unknown key; legal are {', '.join(own_values[block])}")
        own[name] = _encode(own_values[block][key])
        distributions[name] = _distribution(name, setting, own[name])
        _check_values(member, name, distributions[name])
    if not distributions:
        raise ValueError("nothing is left to tune, expected at least one setting")
    return Space(own, distributions)


def suggest(trial: Trial, space: Space) -> dict[str, Any]:
    """Return the value of every setting that the study proposes for a trial."""
    return {name: _suggest_value(trial, name, distribution) for name, distribution in space.distributions.items()}


def _encode(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | tuple) else value


def _merge(*spaces: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the settings by `block.key`. Later spaces override earlier ones, and null removes a setting."""
    merged: dict[str, Any] = {}
    for space in spaces:
        for block, settings in space.items():
            merged |= {f"{block}.{key}": setting for key, setting in settings.items()}
    return {name: setting for name, setting in merged.items() if setting is not None}


def _own_values(member: Member, family: ModuleType) -> dict[str, dict[str, Any]]:
    parameters = inspect.signature(family.build).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    training, augment = member.training.model_dump(), member.augment.model_dump()
    return {"options": defaults | member.options, "training": training, "augment": augment}


def _distribution(name: str, setting: Any, own: Any) -> Distribution:
    if isinstance(setting, list):
        choices = [_encode(_number(value) if isinstance(own, float) else value) for value in setting]
        return CategoricalDistribution([*choices, own] if own not in choices else choices)
    if not isinstance(setting, dict) or not {"low", "high"} <= set(setting) <= set(RANGE):
        raise ValueError(f"{name}: {setting!r} is not a list of choices or a range of {', '.join(RANGE)}")
    if isinstance(own, bool) or not isinstance(own, int | float):
        raise ValueError(f"{name}: {setting!r} is not a list of choices, which {own!r} needs")
    low, high = (_number(setting[end]) for end in ("low", "high"))
    others = {key: setting[key] for key in ("log", "step") if key in setting}
    if others.get("log") and own <= 0:
        raise ValueError(f"{name}: the entry's own {own!r} lies in no logarithmic range, expected a value above 0")
    try:
        if isinstance(own, int):
            return IntDistribution(min(int(low), own), max(int(high), own), **others)
        return FloatDistribution(min(low, own), max(high, own), **others)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {setting!r} is no range: {error}") from error


def _number(value: Any) -> float:
    return float(value) if isinstance(value, str) else value  # YAML 1.1 reads 1e-3 as text


def _check_values(member: Member, name: str, distribution: Distribution) -> None:
    """Refuse values that are not legal in the member's entry."""
    values: Sequence[Any]
    if isinstance(distribution, CategoricalDistribution):
        values = distribution.choices
    else:
        values = (distribution.low, distribution.high)
    for value in values:
        with_values(member, {name: value})


def _suggest_value(trial: Trial, name: str, distribution: Distribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    low, high, log = distribution.low, distribution.high, distribution.log
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, int(low), int(high), step=distribution.step, log=log)
    return trial.suggest_float(name, low, high, step=distribution.step, log=log)
