"""YAML text to plain values, with the line of each value. Ambiguous, endless and too large texts are refused."""

import re
from typing import Any, NamedTuple, NoReturn

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from pipeline.config.errors import quote

MOST_LEVELS = 32
MOST_VALUES = 20_000  # values and keys, with aliases written out
MOST_DIGITS = 100
TAG = "tag:yaml.org,2002:"
MERGE = TAG + "merge"
SCALARS = {"str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false", "null": "null"}
POWER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")  # 1e-3 is a number in YAML 1.2, and text in 1.1
NUMBER = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?|0[ox][0-9a-fA-F]+")  # in YAML 1.1 or 1.2

Path = tuple[str | int, ...]


class Fault(ValueError):
    """One sentence about a key of the configuration; `path` or `line` says where it is."""

    def __init__(self, path: Path, sentence: str, line: int | None = None) -> None:
        super().__init__(f"{dotted(path)}: {sentence}" if path else sentence)
        self.path, self.sentence, self.line = path, sentence, line


class Tree(NamedTuple):
    """The values of a YAML file, and the line, from 1, of the key or list item at each path."""

    value: Any
    lines: dict[Path, int]

    def line_of(self, path: Path) -> int:
        """Return the line of the value at `path`, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def dotted(path: Path) -> str:
    """Return a path as text: `members.m.training.epochs`, `classes[2]`."""
    texts = (f"[{key}]" if isinstance(key, int) else f".{quote(key)[1:-1]}" for key in path)
    return "".join(texts).removeprefix(".")


def read_tree(text: str) -> Tree:
    """Return the values of a YAML text. The keys of mappings are texts.

    Raises:
        Fault: not YAML, a key that occurs twice or is ambiguous, a value that contains itself, a date, an unknown tag,
            more than MOST_LEVELS levels, or more than MOST_VALUES values.
    """
    try:
        loader, lines = _Loader(text), {}
        node = loader.get_single_node()
        return Tree(None if node is None else _Reading(loader, lines).value(node, ()), lines)
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
        raise Fault((), f"not readable as YAML: {' '.join(problem.split())}", mark and mark.line + 1) from None


class _Loader(yaml.SafeLoader):
    """PyYAML's loader, which is recursive, with limits."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.level = self.count = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        self.level += 1
        self.count += 1
        if self.level > MOST_LEVELS + 1:
            _refuse(self.peek_event(), f"the values nest deeper than {MOST_LEVELS} levels")
        if self.count > MOST_VALUES:
            _refuse(self.peek_event(), f"expected at most {MOST_VALUES} values")
        node = super().compose_node(parent, index)
        self.level -= 1
        return node


class _Reading:
    """The reading of one file, which counts the values."""

    def __init__(self, loader: _Loader, lines: dict[Path, int]) -> None:
        self.loader, self.lines, self.count, self.open = loader, lines, 0, set()

    def value(self, node: Node, path: Path) -> Any:
        self.count += 1
        if self.count > MOST_VALUES:
            _refuse(node, f"expected at most {MOST_VALUES} values, with aliases written out")
        if node in self.open:
            _refuse(node, "the alias refers to a value that contains itself")
        if len(path) > MOST_LEVELS:
            _refuse(node, f"the values nest deeper than {MOST_LEVELS} levels")
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        self.open.add(node)
        value = self._mapping(node, path) if isinstance(node, MappingNode) else self._list(node, path)
        self.open.remove(node)
        return value

    def _list(self, node: Node, path: Path) -> list:
        if node.tag != TAG + "seq":
            _refuse(node, f"tag {quote(node.tag)} is unknown")
        self.lines |= {(*path, index): _line(item) for index, item in enumerate(node.value)}
        return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: MappingNode, path: Path) -> dict:
        if node.tag != TAG + "map":
            _refuse(node, f"tag {quote(node.tag)} is unknown")
        merged = {}
        for _, source in filter(_is_merge, node.value):
            for part in reversed(source.value) if isinstance(source, SequenceNode) else [source]:
                merged |= self._merge_source(part, path)
        own: dict[str, Node] = {}
        for key_node, value in node.value:
            if not _is_merge((key_node, value)):
                key = _key(key_node)
                if key in own:
                    _refuse(key_node, f"{quote(key)} is a key twice, first in line {self.lines[*path, key]}")
                own[key] = value
                self.lines[*path, key] = _line(key_node)
        return merged | {key: self.value(value, (*path, key)) for key, value in own.items()}

    def _merge_source(self, node: Node, path: Path) -> dict:
        if not isinstance(node, MappingNode):
            _refuse(node, "'<<' takes over a mapping, or a list of mappings")
        return self.value(node, path)

    def _scalar(self, node: ScalarNode) -> Any:
        kind = node.tag.removeprefix(TAG)
        if kind not in SCALARS:
            hint = "a date; write it in quotes" if kind == "timestamp" else f"of the unknown tag {quote(node.tag)}"
            _refuse(node, f"{quote(node.value)} is {hint}")
        if kind == "str":
            is_power = node.style is None and len(node.value) <= MOST_DIGITS and POWER.fullmatch(node.value)
            return float(node.value) if is_power else node.value
        try:
            if len(node.value) <= MOST_DIGITS:
                return self.loader.construct_object(node)
        except (ValueError, LookupError, AttributeError):  # PyYAML raises these for `!!int x` and `!!bool x`
            pass
        _refuse(node, f"{quote(node.value)} is not {SCALARS[kind]}")


def _is_merge(pair: tuple[Node, Node]) -> bool:
    return pair[0].tag == MERGE


def _key(node: Node) -> str:
    """Return a key as it is written. A key that YAML's versions read as different values needs quotes."""
    if not isinstance(node, ScalarNode):
        _refuse(node, "a key is expected to be a text, not a list or a mapping")
    text = node.value
    if node.style is None and (node.tag != TAG + "str" or NUMBER.fullmatch(text)):
        whole = text.isascii() and text.isdecimal() and (text == "0" or not text.startswith("0"))
        if not whole:
            _refuse(node, f"the key {quote(text)} is expected in quotes, as YAML reads it as no text")
    return text


def _line(node: Any) -> int:
    return node.start_mark.line + 1


def _refuse(node: Any, sentence: str) -> NoReturn:
    raise Fault((), sentence, _line(node))
