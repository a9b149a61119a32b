"""Presets: named settings for entries of `params.yaml`. An entry's own settings override its preset."""

from pathlib import Path
from typing import Any

from pipeline.config.errors import quote
from pipeline.config.tree import Fault, read_tree

PRESETS = Path(__file__).with_name("presets.yaml")


def with_presets(tree: Any) -> Any:
    """Return the tree of `params.yaml` with the presets of members, students and splits filled in.

    Raises:
        Fault: an unknown preset. The message lists the known ones.
    """
    if not isinstance(tree, dict):
        return tree
    presets = read_tree(PRESETS.read_text(encoding="utf-8")).value
    filled = dict(tree)
    for part in ("members", "students"):
        if isinstance(tree.get(part), dict):
            filled[part] = {
                name: _fill_in(entry, "member", (part, name), presets) for name, entry in tree[part].items()
            }
    if isinstance(tree.get("tasks"), dict):
        filled["tasks"] = {
            name: entry | {"split": _fill_in(entry["split"], "split", ("tasks", name, "split"), presets)}
            if isinstance(entry, dict) and "split" in entry
            else entry
            for name, entry in tree["tasks"].items()
        }
    return filled


def _fill_in(entry: Any, part: str, path: tuple[str, ...], presets: dict) -> Any:
    if not isinstance(entry, dict) or not isinstance(entry.get("preset"), str):
        return entry  # other types are refused with the rest of the entry
    if entry["preset"] not in presets:
        raise Fault((*path, "preset"), f"{quote(entry['preset'])} is unknown; known are {', '.join(presets)}")
    return _merge(presets[entry["preset"]][part], entry)


def _merge(below: Any, above: Any) -> Any:
    """Return `below` with the values of `above`, mapping by mapping."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _merge(below.get(key), value) for key, value in above.items()}
