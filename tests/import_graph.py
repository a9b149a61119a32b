"""`python -m tests.import_graph`: the rooms of `pipeline/`, the arrows between them, and their layers.

A room is a module or a package directly inside `pipeline/`. An arrow leads from a room to another one that it imports,
at the top of a file or inside a function, for type checkers included. A room's layer is 1 if it imports no room, else
one more than the highest layer that it imports.
"""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent


def imported_modules(path: Path) -> Iterator[str]:
    """Yield the dotted name of every module, or name inside a module, that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms(package: str = "pipeline") -> dict[str, set[str]]:
    """Return each room of a package with the other rooms that it imports."""
    files: dict[str, list[Path]] = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT / package).with_suffix("").parts
        if parts[0] != "__init__":
            files.setdefault(parts[0], []).append(path)
    graph = {}
    for room, paths in files.items():
        names = {
            name.split(".")[1] for path in paths for name in imported_modules(path) if name.startswith(package + ".")
        }
        graph[room] = (names & files.keys()) - {room}
    return graph


def layers(graph: dict[str, set[str]]) -> dict[str, int]:
    """Return the layer of each room.

    Raises:
        graphlib.CycleError: rooms import each other in a circle.
    """
    levels: dict[str, int] = {}
    for room in TopologicalSorter(graph).static_order():
        levels[room] = 1 + max((levels[other] for other in graph[room]), default=0)
    return levels


def main() -> None:
    """Print the graph, a room a line, lowest layer first."""
    graph = rooms()
    levels = layers(graph)
    for room in sorted(graph, key=lambda name: (levels[name], name)):
        print(f"{levels[room]}  {room}: {', '.join(sorted(graph[room])) or 'nothing'}")
    print(f"{len(graph)} rooms, {sum(map(len, graph.values()))} arrows, {max(levels.values())} layers")


if __name__ == "__main__":
    main()
