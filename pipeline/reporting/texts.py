"""Texts of a page: names, numbers and shares as a reader expects them."""

import math
from typing import Any

MOST_CHARACTERS = 60


def printable(text: object) -> str:
    """Return a text without what HTML and XML cannot contain: control characters and halves of surrogate pairs."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in str(text)
    )


def short(text: object, characters: int = MOST_CHARACTERS) -> str:
    """Return a printable text, cut at the end if it is long."""
    line = printable(text)
    return line if len(line) <= characters else f"{line[: characters - 3]}..."


def number(value: float | None, digits: int = 4) -> str:
    """Return a number with so many decimals, `1,234.50`, or an empty text for None and NaN."""
    return "" if value is None or math.isnan(value) else f"{value:,.{digits}f}"


def signed(value: float) -> str:
    """Return a difference with its sign and four decimals."""
    return f"{value:+.4f}"


def interval(scores: dict[str, Any]) -> str:
    """Return the 95 % interval of a score, `0.9900 to 0.9976`, or an empty text without one."""
    if scores.get("low") is None:
        return ""
    return f"{scores['low']:.4f} to {scores['high']:.4f}"


def amount(value: float) -> str:
    """Return a large number with a prefix: `33.6 M`."""
    for limit, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g} {prefix}"
    return f"{value:.3g}"


def duration(seconds: float) -> str:
    """Return a duration in its natural unit: `12 s`, `3.4 min`, `1.2 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, `1 row` or `1,200 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
