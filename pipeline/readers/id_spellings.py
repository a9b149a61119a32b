"""The join of two lists of ids whose spellings may differ. No other module handles spellings of ids.

Labels and sample submissions name images by paths or bare names. The spellings can differ in the suffix, in upper and
lower case, in the Unicode form (macOS separates accents from letters) and in leading zeros.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from itertools import combinations

import numpy as np

from pipeline.config.errors import quote

_CHANGES: dict[str, Callable[[str], str]] = {
    "without folders": lambda text: re.split(r"[/\\]", text)[-1],
    "without suffix": lambda text: re.sub(r"(?<=.)\.[A-Za-z][A-Za-z0-9]{1,4}$", "", text),
    "in any case": str.casefold,
    "in one Unicode form": lambda text: unicodedata.normalize("NFC", text),
    "without leading zeros": lambda text: re.sub(r"(?<![0-9])0+(?=[0-9])", "", text),
}
AS_WRITTEN = "as written"
_SPELLINGS = {
    ", ".join(names) or AS_WRITTEN: [_CHANGES[name] for name in names]
    for size in range(len(_CHANGES) + 1)
    for names in combinations(_CHANGES, size)
}  # spellings with fewer changes come first


@dataclass(frozen=True)
class Match:
    """The position of each id in another list, and the spelling in which both lists are equal."""

    rows: np.ndarray  # (n,) int64
    spelling: str

    @property
    def is_as_written(self) -> bool:
        """Whether both lists spell their ids in the same way."""
        return self.spelling == AS_WRITTEN


def match_ids(expected: np.ndarray, ids: np.ndarray) -> Match:
    """Return the position of each of `expected` (n,) in `ids` (n,), in the first spelling that makes both sets equal.

    Raises:
        ValueError: an id occurs twice, or there is no such spelling. The message shows an id of each list, and how many
            ids match in each spelling.
    """
    sides = [[str(value) for value in side.tolist()] for side in (expected, ids)]
    for texts, values in zip(sides, (expected, ids), strict=True):
        check_unique(values, texts)
    for spelling, changes in _SPELLINGS.items():
        expected_texts, texts = (_changed(side, changes) for side in sides)
        place = {text: row for row, text in enumerate(texts)}
        is_bijection = len(place) == len(texts) == len(expected_texts) == len(set(expected_texts))
        if is_bijection and place.keys() == set(expected_texts):
            return Match(np.array([place[text] for text in expected_texts], np.int64), spelling)
    raise ValueError(_failure(*sides))


def match_most(expected: np.ndarray, ids: np.ndarray) -> Match:
    """Return the position of each of `expected` (n,) in `ids` (m,), or -1, in the spelling in which most ids match.

    Raises:
        ValueError: an id occurs twice.
    """
    sides = [[str(value) for value in side.tolist()] for side in (expected, ids)]
    for texts, values in zip(sides, (expected, ids), strict=True):
        check_unique(values, texts)
    best = Match(np.full(len(expected), -1), AS_WRITTEN)
    for spelling, changes in _SPELLINGS.items():
        expected_texts, texts = (_changed(side, changes) for side in sides)
        place = _unique_places(texts)
        known = _unique_places(expected_texts)
        rows = np.array([place.get(text, -1) if text in known else -1 for text in expected_texts], np.int64)
        if (rows >= 0).sum() > (best.rows >= 0).sum():
            best = Match(rows, spelling)
        if (best.rows >= 0).all():
            break
    return best


def _unique_places(texts: list[str]) -> dict[str, int]:
    """Return the position of each text that occurs once."""
    counts = Counter(texts)
    return {text: row for row, text in enumerate(texts) if counts[text] == 1}


def check_unique(values: np.ndarray, texts: Iterable[str] | None = None) -> None:
    """Raise ValueError if an id (n,) occurs twice."""
    unique, counts = np.unique(values if texts is None else list(texts), return_counts=True)
    if len(unique) != len(values):
        raise ValueError(f"id {_short(str(unique[counts > 1][0]))} occurs twice, expected once")


def _changed(texts: list[str], changes: list[Callable[[str], str]]) -> list[str]:
    return [reduce(lambda text, change: change(text), changes, text) for text in texts]


def _failure(expected: list[str], ids: list[str]) -> str:
    def split(changes: list[Callable[[str], str]]) -> tuple[list[str], list[str], int]:
        expected_texts, texts = _changed(expected, changes), _changed(ids, changes)
        common = set(expected_texts) & set(texts)
        missing = [id_ for id_, text in zip(expected, expected_texts, strict=True) if text not in common]
        return missing, [id_ for id_, text in zip(ids, texts, strict=True) if text not in common], len(common)

    single = {name: [change] for name, change in _CHANGES.items()}
    spellings = {AS_WRITTEN: [], **single, "all of it": [*_CHANGES.values()]}
    counts = ", ".join(f"{split(changes)[2]} {name}" for name, changes in spellings.items())
    missing, extra, _ = max((split(changes) for changes in _SPELLINGS.values()), key=lambda parts: parts[2])
    lack = (
        f"id {_short(missing[0])} is missing ({len(missing)} such ids)" if missing else f"beside {_short(expected[0])}"
    )
    more = f"id {_short(extra[0])} is not expected ({len(extra)} such ids)" if extra else f"beside {_short(ids[0])}"
    return f"{', '.join([lack, more] if missing else [more, lack])}; ids that match: {counts}"


def _short(text: str) -> str:
    return text if re.fullmatch(r"-?[0-9]{1,18}", text) else quote(text)
