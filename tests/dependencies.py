"""The dependencies of each stage of dvc.yaml, and the modules of the project that it can load."""

import ast
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
PACKAGES = ("features", "models", "pipeline", "submissions")


def stages() -> dict[str, dict]:
    """Return every stage of dvc.yaml, without its `foreach`."""
    entries = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return {name: stage.get("do", stage) for name, stage in entries.items()}


def loaded_by(start: Path) -> set[Path]:
    """Return the files that a file can load: its imports, at the top or inside functions, and their imports.

    A package's `__init__.py` counts if it has more than a docstring. Imports for type checkers do not count.
    """
    files, queue = set(), [start]
    while queue:
        path = queue.pop()
        if path not in files:
            files.add(path)
            names = set(_imported(ast.parse(path.read_text(encoding="utf-8")).body))
            packages = {".".join(name.split(".")[:size]) for name in names for size in range(1, name.count(".") + 1)}
            queue += [file for name in names | packages if (file := _file_of(name)) is not None]
    return {path for path in files if len(ast.parse(path.read_text(encoding="utf-8")).body) > 1}


def _imported(body: list[ast.AST]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield from _imported(list(ast.iter_child_nodes(node)))


def _file_of(module: str) -> Path | None:
    if module.partition(".")[0] not in PACKAGES:
        return None
    place = ROOT.joinpath(*module.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists()), None)


def unnamed(stage: str) -> set[str]:
    """Return the files that a stage can load but that none of its dependencies contains."""
    module = ROOT / "pipeline" / f"{stage.removesuffix('-student')}.py"
    named = [ROOT / dependency for dependency in stages()[stage]["deps"]]
    loaded = {path for path in loaded_by(module) if not any(path.is_relative_to(name) for name in named)}
    return {str(path.relative_to(ROOT)) for path in loaded}
