"""Parsing with pydantic, with one sentence for the first error."""

import difflib
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline.config.errors import quote
from pipeline.config.fields import NAME, NAME_RULE
from pipeline.config.tree import Fault, Path

MOST_CHARACTERS = 240  # of a message without the file's name
SENTENCES = {
    "int_type": "is not a whole number",
    "float_type": "is not a number",
    "finite_number": "is not a finite number",
    "string_type": "is not a text",
    "bool_type": "is not true or false",
    "dict_type": "is not a mapping",
    "model_type": "is not a mapping",
    "tuple_type": "is not a list",
    "is_instance_of": "is not a list",
    "sequence_str": "is not a list",
    "literal_error": "is not one of {expected}",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected at most {le}",
    "too_short": "expected at least {min_length} values",
    "too_long": "expected at most {max_length} values",
    "string_too_long": "expected at most {max_length} characters",
    "string_pattern_mismatch": "expected a text without control characters, not empty",
    "string_unicode": "expected a text without control characters, not empty",
}
Model = TypeVar("Model", bound=BaseModel)


def parse(model: type[Model], tree: Any) -> Model:
    """Return plain values from YAML or JSON as an instance of `model`.

    Raises:
        Fault: a value is not legal. The message names the key, the value and the legal values.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    raise _fault(model, min(errors, key=lambda error: error["type"] != "extra_forbidden"))


def unknown_key(path: Path, legal: list[str]) -> Fault:
    """Return the fault for an unknown key, with the legal keys, or with the nearest ones if all are too many."""
    start = str(Fault(path, "unknown key; legal are "))
    return Fault(path, f"unknown key; legal are {_nearest(str(path[-1]), legal, MOST_CHARACTERS - len(start))}")


def _nearest(name: str, legal: list[str], most_characters: int) -> str:
    """Return a text with the legal names, or with those nearest to `name` if all are too long."""
    text, count = ", ".join(legal), len(legal)
    nearest = difflib.get_close_matches(name, legal, n=count, cutoff=0)
    while len(text) > most_characters and count > 1:
        count -= 1
        text = f"{', '.join(nearest[:count])} and {len(legal) - count} others"
    return text


def _fault(model: type[BaseModel], error: ErrorDetails) -> Fault:
    path, kind, value = error["loc"], error["type"], quote(error["input"])
    if kind == "extra_forbidden":
        return unknown_key(path, list(_model_at(model, path[:-1]).model_fields))
    if kind == "missing":
        return Fault(path, "missing key, expected in every such entry")
    if path[-1:] == ("[key]",):
        return Fault(path[:-1], f"expected a name that {NAME_RULE}")
    if kind == "value_error":
        return Fault(path, str(error["ctx"]["error"]))
    if kind == "string_pattern_mismatch" and error["ctx"]["pattern"] == NAME:
        return Fault(path, f"{value}, expected a name that {NAME_RULE}")
    context = {name: _whole(bound) for name, bound in error.get("ctx", {}).items()}
    if kind == "literal_error":
        names = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        start = str(Fault(path, f"{value} is not one of "))
        context = {"expected": _nearest(str(error["input"]), names, MOST_CHARACTERS - len(start))}
    sentence = SENTENCES.get(kind, error["msg"]).format(**context)
    return Fault(path, f"{value}, {sentence}" if sentence.startswith("expected") else f"{value} {sentence}")


def _whole(bound: Any) -> Any:
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def _model_at(kind: Any, path: Path) -> type[BaseModel]:
    """Return the model that pydantic expected at `path`. For a mapping this is the model of its values."""
    if not path:
        return kind
    inner = kind.model_fields[path[0]].annotation if hasattr(kind, "model_fields") else get_args(kind)[-1]
    models = [argument for argument in get_args(inner) if hasattr(argument, "model_fields")]
    return _model_at(models[0] if models and type(None) in get_args(inner) else inner, path[1:])
