"""What the paths of image files say: their label, their patient, their number.

A pattern such as `{label}.*` or `{patient}/{series}/*` is compared with a path from left to right. A name in braces
takes as few characters as possible and no `/`; `*` takes any characters. So a comparison takes linear time.
"""

import re

import pandas as pd

from pipeline.config.errors import quote

LABEL = "label"
_TOKEN = re.compile(r"\{([A-Za-z_][A-Za-z0-9_ ]*)\}|(\*)")


def path_fields(pattern: str, files: tuple[str, ...]) -> pd.DataFrame:
    """Return the texts, a column for each name in the pattern, of the paths of image files.

    Raises:
        ValueError: a path does not fit the pattern.
    """
    tokens = _tokens(pattern)
    rows = []
    for file in files:
        fields = _match(tokens, file)
        if fields is None:
            raise ValueError(f"{quote(file)} does not fit the path_pattern {quote(pattern)}")
        rows.append(fields)
    names = [name for name, _ in tokens if name not in (None, "*")]
    return pd.DataFrame(rows, columns=names, dtype=object)


def _tokens(pattern: str) -> list[tuple[str | None, str]]:
    """Return pairs: a name (or `*`, or None at the start) and the literal text after it."""
    parts = _TOKEN.split(pattern)  # text, name, star, text, name, star, ..., text
    names = [name or star for name, star in zip(parts[1::3], parts[2::3], strict=True)]
    return [(None, parts[0]), *zip(names, parts[3::3], strict=True)]


def _match(tokens: list[tuple[str | None, str]], path: str) -> dict[str, str] | None:
    (_, start), *others = tokens
    if not path.startswith(start):
        return None
    position, fields = len(start), {}
    for index, (name, literal) in enumerate(others):
        is_last = index == len(others) - 1
        if is_last:
            end = len(path) - len(literal)
            end = end if end > position and path.endswith(literal) else -1
        else:
            end = path.find(literal, position + 1) if literal else -1
        if end < 0 or (name != "*" and "/" in path[position:end]):
            return None
        if name != "*":
            fields[str(name)] = path[position:end]
        position = end + len(literal)
    return fields if position == len(path) else None
