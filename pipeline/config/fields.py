"""Types of values in several blocks of `params.yaml`, with their bounds."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pipeline.config.errors import quote

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
NAME_RULE = "starts with a letter or a digit, goes on with letters, digits, - or _, and has at most 64 characters"
TEXT = r"^[^\x00-\x1f\x7f]+$"
MOST_CLASSES = 100_000


class Block(BaseModel):
    """A block of settings: frozen, strict, without unknown keys, finite."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _label(value: Any) -> Any:
    if type(value) not in (int, str) or (isinstance(value, int) and abs(value) >= 2**63):
        raise ValueError(f"{quote(value)} is not a whole number or a text")
    return value


def _column(value: Any) -> Any:
    if type(value) not in (int, str) or (isinstance(value, int) and abs(value) >= 2**31):
        raise ValueError(f"{quote(value)} is not a column's name or number")
    return value


def _classes(value: Any) -> Any:
    """Return `5..13` as a list."""
    if not isinstance(value, str) or ".." not in value:
        return _tuple(value)
    ends = re.fullmatch(r"\s*(-?\d{1,18})\s*\.\.\s*(-?\d{1,18})\s*", value)
    if ends is None:
        raise ValueError(f"{quote(value)} is not a range like 5..13")
    first, last = int(ends[1]), int(ends[2])
    if not first <= last < first + MOST_CLASSES:
        raise ValueError(f"{quote(value)}, expected a range of 1 to {MOST_CLASSES} classes")
    return tuple(range(first, last + 1))


def _some_classes(value: Any) -> Any:
    """Return one class as a list."""
    return (value,) if type(value) in (int, str) else _tuple(value)


def by_first_key(key: str) -> BeforeValidator:
    """Return a validator that reads a text as a block with only this key."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


def _size(value: Any) -> Any:
    if isinstance(value, list) and len(value) != 2:
        raise ValueError(f"{quote(value)} is not [height, width]")
    return _tuple(value)


def _layers(value: Any) -> Any:
    if isinstance(value, list) and (len(value) < 2 or value != sorted(set(value))):
        raise ValueError(f"{quote(value)} is not a rising list of at least two numbers of layers")
    return _tuple(value)


def _rising(value: tuple[float, float]) -> tuple[float, float]:
    if not value[0] < value[1]:
        raise ValueError(f"{quote(list(value))} is not [low, high] with low below high")
    return value


def _pattern(value: Any) -> Any:
    names = re.findall(r"\{([^{}]*)\}", value) if isinstance(value, str) else []
    if not names or len(set(names)) < len(names) or not all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_ ]*", n) for n in names):
        raise ValueError(f"{quote(value)} is not a pattern with different names in braces, such as {{label}}.*")
    if re.search(r"(\}|\*)(\{|\*)", value):
        raise ValueError(f"{quote(value)}: expected a text such as / or . between two names or stars")
    return value


def _image(value: Any) -> Any:
    if isinstance(value, list) and len(value) not in (2, 3):
        raise ValueError(f"{quote(value)} is not [height, width] or [height, width, channels]")
    return _tuple(value)


Share = Annotated[float, Field(ge=0, le=1)]
ShareBelowOne = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0)]  # a learning rate; training itself reports one that is too high
Decay = Annotated[float, Field(ge=0, le=100)]
Epochs = Annotated[int, Field(ge=1, le=100_000)]
SomeEpochs = Annotated[int, Field(ge=0, le=100_000)]
BatchSize = Annotated[int, Field(ge=1, le=65_536)]
Rows = Annotated[int, Field(ge=1, le=100_000_000)]
Pixels = Annotated[int, Field(ge=1, le=16_384)]
Size = Annotated[tuple[Pixels, Pixels], BeforeValidator(_size)]  # (height, width)
Sizes = Annotated[tuple[Size, ...], BeforeValidator(_tuple), Field(max_length=100)]
Layers = Annotated[int, Field(ge=0, le=10_000)]
TunedLayers = Annotated[Layers | tuple[Layers, ...], BeforeValidator(_layers, json_schema_input_type=int | list[int])]
Limits = Annotated[tuple[float, float], BeforeValidator(_tuple), AfterValidator(_rising)]  # low, high
Image = Annotated[tuple[Pixels, ...], BeforeValidator(_image)]  # (height, width) or (height, width, channels)
Price = Annotated[int, Field(ge=0, le=10_000)]
Prices = Annotated[tuple[Price, ...], BeforeValidator(_tuple), Field(min_length=1, max_length=1000)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Name = Annotated[str, Field(pattern=NAME)]
Text = Annotated[str, Field(pattern=TEXT, max_length=4096)]
Label = Annotated[int | str, BeforeValidator(_label)]
Classes = Annotated[
    tuple[Label, ...],
    BeforeValidator(_classes, json_schema_input_type=list[Label] | str),
    Field(min_length=1, max_length=MOST_CLASSES),
]
SomeClasses = Annotated[
    tuple[Label, ...],
    BeforeValidator(_some_classes, json_schema_input_type=list[Label] | Label),
    Field(min_length=1, max_length=MOST_CLASSES),
]
SomeLabels = Annotated[
    tuple[Annotated[int, Field(ge=0, le=255)], ...], BeforeValidator(_tuple), Field(min_length=2, max_length=256)
]
LabelColumns = Annotated[tuple[Text, ...], BeforeValidator(_tuple), Field(min_length=2, max_length=MOST_CLASSES)]
TableColumns = Annotated[tuple[Text, ...], BeforeValidator(_tuple), Field(min_length=1, max_length=10_000)]
GroupColumns = Annotated[Text | tuple[Text, ...], BeforeValidator(_tuple, json_schema_input_type=str | list[str])]
Pattern = Annotated[str, BeforeValidator(_pattern), Field(max_length=1024)]
Column = Annotated[int | str, BeforeValidator(_column)]
