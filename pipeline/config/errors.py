"""The one error that is the user's to mend, and how a file's own words are quoted in it."""

SENTENCE_CHARACTERS, VALUE_CHARACTERS = 300, 60
_GAP = " ... "


class BadInput(Exception):
    """What the user can mend: one sentence that names the file, the value and what was expected."""

    def __init__(self, sentence: str) -> None:
        super().__init__(one_line(sentence))


def one_line(text: str) -> str:
    """Return a sentence with control characters escaped, and its middle left out beyond SENTENCE_CHARACTERS."""
    text = _shortened(text, SENTENCE_CHARACTERS)
    if text.isprintable():
        return text
    escaped = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return _shortened(escaped, SENTENCE_CHARACTERS)


def quoted(value: object) -> str:
    """Return a file's text, number or bytes for a sentence: as Python writes it, its middle left out if it is long."""
    if isinstance(value, str):
        return repr(_shortened(str(value), VALUE_CHARACTERS))
    return _shortened(repr(getattr(value, "item", lambda: value)()), VALUE_CHARACTERS)


def _shortened(text: str, characters: int) -> str:
    if len(text) <= characters:
        return text
    end = characters // 3
    return text[: characters - end - len(_GAP)] + _GAP + text[-end:]
