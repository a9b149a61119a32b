"""Read the options of an architecture from its source, because importing it would import Keras."""

import ast
import builtins
import collections.abc
import typing
from functools import cache
from pathlib import Path
from typing import Any

from models.registry import options


@cache
def options_of(architecture: str) -> dict[str, tuple[Any, Any]]:
    """Return the annotation and the default of every option of `build` in `models/ARCHITECTURE.py`, by name."""
    tree = ast.parse((Path(__file__).parent.parent / f"{architecture}.py").read_text(encoding="utf-8"))
    build = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "build")
    names = {**vars(builtins), **vars(collections.abc), **vars(typing), **vars(options)}
    return {
        argument.arg: (_value(argument.annotation, names, Any), _value(default, names, ...))
        for argument, default in zip(build.args.kwonlyargs, build.args.kw_defaults, strict=True)
    }


def _value(node: ast.expr | None, names: dict[str, Any], missing: Any) -> Any:
    """Return the value of an expression in the source; `missing` where there is none: any kind, or no default (...)."""
    return missing if node is None else eval(compile(ast.Expression(node), "<signature>", "eval"), dict(names))
