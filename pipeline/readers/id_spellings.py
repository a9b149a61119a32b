"""The join of two lists of ids that may be spelled otherwise: the only place that knows how ids are spelled.

Labels and sample submissions name images by their paths or bare names, with or without a suffix, which may be that of
another format, in other case, in another Unicode form (macOS takes accents apart), or without leading zeros.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from itertools import combinations

import numpy as np

from pipeline.config.errors import quoted

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
}  # the fewer changes, the earlier


@dataclass(frozen=True)
class Match:
    """Where each id is in another list, and under which spelling the two lists are the same."""

    rows: np.ndarray  # (n,) int64
    spelling: str

    @property
    def is_as_written(self) -> bool:
        """Whether both lists spell their ids alike."""
        return self.spelling == AS_WRITTEN


def match_ids(wanted: np.ndarray, ids: np.ndarray) -> Match:
    """Return where each of `wanted` (n,) is among `ids` (n,), under the first spelling in which both are the same set.

    Raises:
        ValueError: an id occurs twice, or there is no such spelling; shows an id of each side and what matches how.
    """
    sides = [[str(each) for each in side.tolist()] for side in (wanted, ids)]
    for texts, values in zip(sides, (wanted, ids), strict=True):
        check_unique(values, texts)
    for spelling, changes in _SPELLINGS.items():
        wanted_texts, texts = (_changed(side, changes) for side in sides)
        place = {text: row for row, text in enumerate(texts)}
        is_bijection = len(place) == len(texts) == len(wanted_texts) == len(set(wanted_texts))
        if is_bijection and place.keys() == set(wanted_texts):
            return Match(np.array([place[text] for text in wanted_texts], np.int64), spelling)
    raise ValueError(_failure(*sides))


def check_unique(values: np.ndarray, texts: Iterable[str] | None = None) -> None:
    """Raise ValueError where an id (n,) occurs twice."""
    unique, counts = np.unique(values if texts is None else list(texts), return_counts=True)
    if len(unique) != len(values):
        raise ValueError(f"id {_shown(str(unique[counts > 1][0]))} occurs twice, expected once")


def _changed(texts: list[str], changes: list[Callable[[str], str]]) -> list[str]:
    return [reduce(lambda text, change: change(text), changes, text) for text in texts]


def _failure(wanted: list[str], ids: list[str]) -> str:
    def split(changes: list[Callable[[str], str]]) -> tuple[list[str], list[str], int]:
        wanted_texts, texts = _changed(wanted, changes), _changed(ids, changes)
        common = set(wanted_texts) & set(texts)
        missing = [each for each, text in zip(wanted, wanted_texts, strict=True) if text not in common]
        return missing, [each for each, text in zip(ids, texts, strict=True) if text not in common], len(common)

    shown = {AS_WRITTEN: [], **{name: [change] for name, change in _CHANGES.items()}, "all of it": [*_CHANGES.values()]}
    counts = ", ".join(f"{split(changes)[2]} {name}" for name, changes in shown.items())
    missing, extra, _ = max((split(changes) for changes in _SPELLINGS.values()), key=lambda each: each[2])
    lack = f"id {_shown(missing[0])} is missing ({len(missing)} such ids)" if missing else f"beside {_shown(wanted[0])}"
    more = f"id {_shown(extra[0])} is not expected ({len(extra)} such ids)" if extra else f"beside {_shown(ids[0])}"
    return f"{', '.join([lack, more] if missing else [more, lack])}; ids that match: {counts}"


def _shown(text: str) -> str:
    return text if re.fullmatch(r"-?[0-9]{1,18}", text) else quoted(text)
