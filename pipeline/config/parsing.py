"""What YAML gives, checked and turned into dataclasses, whatever these are."""

import contextlib
import dataclasses
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

SCALARS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def parse(kind: Any, value: Any, where: str) -> Any:
    """Return `value`, as YAML gives it, as an instance of `kind`: a dataclass, a container, a choice or a scalar.

    Raises:
        ValueError: names the key (`where`), the value and what is legal.
    """
    if dataclasses.is_dataclass(kind):
        return _parse_dataclass(kind, value, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"{where}: {value!r} is not one of {', '.join(map(str, arguments))}")
        return value
    if origin in (Union, types.UnionType):
        return _parse_union(arguments, value, where)
    if origin is tuple:
        return _parse_tuple(arguments, value, where)
    if origin is dict:
        _expect(isinstance(value, dict), where, value, "a mapping")
        return {str(key): parse(arguments[1], item, f"{where}.{key}".lstrip(".")) for key, item in value.items()}
    return _parse_scalar(kind, value, where)


def _parse_dataclass(kind: Any, value: Any, where: str) -> Any:
    _expect(isinstance(value, dict), where or "the file", value, "a mapping")
    hints, prefix = get_type_hints(kind), f"{where}." if where else ""
    for key in value:
        if key not in hints:
            raise ValueError(f"{prefix}{key}: unknown key; legal are {', '.join(hints)}")
    for item in dataclasses.fields(kind):
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if required and item.name not in value:
            raise ValueError(f"{prefix}{item.name}: missing key, expected in every such entry")
    return kind(**{key: parse(hints[key], item, prefix + key) for key, item in value.items()})


def _parse_union(kinds: tuple, value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    kinds = tuple(kind for kind in kinds if kind is not type(None))
    if len(kinds) == 1:
        return parse(kinds[0], value, where)
    _expect(type(value) in kinds, where, value, "a whole number or a text")
    return value


def _parse_tuple(arguments: tuple, value: Any, where: str) -> tuple:
    if isinstance(value, str) and ".." in value:  # 5..13
        first, _, last = value.partition("..")
        _expect(_is_whole(first) and _is_whole(last), where, value, "a range like 5..13")
        value = list(range(int(first), int(last) + 1))
    _expect(isinstance(value, list), where, value, "a list")
    if arguments[-1] is not Ellipsis:
        _expect(len(value) == len(arguments), where, value, f"a list of {len(arguments)}")
    return tuple(parse(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value))


def _is_whole(text: str) -> bool:
    return text.strip().lstrip("-").isdigit()


def _expect(holds: bool, where: str, value: Any, expectation: str) -> None:
    if not holds:
        raise ValueError(f"{where}: {value!r} is not {expectation}")


def _parse_scalar(kind: Any, value: Any, where: str) -> Any:
    if kind is Any:
        return value
    if kind is float and type(value) in (int, str):
        with contextlib.suppress(ValueError):
            value = float(value)  # YAML 1.1 reads 1e-3 as a text
    _expect(type(value) is kind, where, value, SCALARS[kind])
    if kind in (int, float):
        _expect(value >= 0, where, value, "0 or more")
    return value
