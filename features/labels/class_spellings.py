"""Match several spellings of a class: `1` and `1.0`, `yes` and `True`, other case or Unicode form."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?")
_WORDS = (("yes", "no"), ("true", "false"))
_TRUTHS = {word: str(truth) for pair in _WORDS for word, truth in zip(pair, (True, False), strict=True)}
_CASES: tuple[Callable[[str], str], ...] = (str.lower, str.upper, str.title, str.capitalize)


def spelling_key(text: str) -> str:
    """Return a key that is equal for all spellings of a class."""
    folded = unicodedata.normalize("NFKC", text).strip().casefold()
    if _NUMBER.fullmatch(folded):
        return str(Decimal(folded).normalize() + 0)  # + 0 removes the sign of -0
    return _TRUTHS.get(folded, folded)


def class_finder(classes: Iterable[int | str]) -> Callable[[str], int | None]:
    """Return a function from a text to the index of its class, or of the only class with its spelling key."""
    by_text = {str(name): index for index, name in enumerate(classes)}
    counts = Counter(map(spelling_key, by_text))
    by_key = {spelling_key(text): index for text, index in by_text.items() if counts[spelling_key(text)] == 1}
    return lambda text: by_text[text] if text in by_text else by_key.get(spelling_key(text))


def respell(classes: list[str], spellings: dict[str, str]) -> list[str]:
    """Return the classes in a new spelling, which is known for some of them. The others follow its rule, if it has one.

    Args:
        classes: in the old spelling.
        spellings: the new spelling of some of them, by the old one.
    """
    for habit in _habits():
        if all(habit(text) == spelling for text, spelling in spellings.items()):
            return [habit(text) for text in classes]
    return [spellings.get(text, text) for text in classes]


def _habits() -> list[Callable[[str], str]]:
    words = [_in_words((case(yes), case(no))) for yes, no in _WORDS for case in _CASES]
    return [_as_whole_number, lambda text: f"{_as_whole_number(text)}.0", *words, *_CASES]


def _as_whole_number(text: str) -> str:
    number = Decimal(text) if _NUMBER.fullmatch(text) else None
    return text if number is None or number != int(number) else str(int(number))


def _in_words(pair: tuple[str, str]) -> Callable[[str], str]:
    return lambda text: {"True": pair[0], "False": pair[1]}.get(spelling_key(text), text)
