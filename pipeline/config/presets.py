"""Named recipes that entries of `params.yaml` take over, except for what they say themselves."""

from pathlib import Path
from typing import Any

import yaml

PRESETS = Path(__file__).with_name("presets.yaml")


def with_presets(tree: Any) -> Any:
    """Return the tree of `params.yaml` with presets of members, students and splits below what these say themselves.

    Raises:
        ValueError: an unknown preset, by name, with the legal ones.
    """
    if not isinstance(tree, dict):
        return tree
    known = yaml.safe_load(PRESETS.read_text(encoding="utf-8"))
    members = {
        part: {name: _filled(entry, "member", f"{part}.{name}", known) for name, entry in _mapping(tree, part).items()}
        for part in ("members", "students")
        if _mapping(tree, part)
    }
    tasks = {
        name: entry | {"split": _filled(entry["split"], "split", f"tasks.{name}.split", known)}
        if isinstance(entry, dict) and "split" in entry
        else entry
        for name, entry in _mapping(tree, "tasks").items()
    }
    return tree | members | ({"tasks": tasks} if tasks else {})


def _mapping(tree: dict, key: str) -> dict:
    return tree[key] if isinstance(tree.get(key), dict) else {}


def _filled(entry: Any, part: str, where: str, known: dict) -> Any:
    if not isinstance(entry, dict) or entry.get("preset") is None:
        return entry
    if entry["preset"] not in known:
        raise ValueError(f"{where}.preset: {entry['preset']!r} is unknown; known are {', '.join(known)}")
    return _merged(known[entry["preset"]][part], entry)


def _merged(below: Any, above: Any) -> Any:
    """Return `above` laid over `below`, mapping by mapping."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _merged(below.get(key), value) for key, value in above.items()}
