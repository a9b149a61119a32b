"""The error that a user can correct, and the quotation of a file's values in its message."""

SENTENCE_CHARACTERS, VALUE_CHARACTERS = 300, 60
_GAP = " ... "


class BadInput(Exception):
    """An error that the user can correct: one sentence that names the file, the value and the expectation."""

    def __init__(self, sentence: str) -> None:
        super().__init__(one_line(sentence))


def one_line(text: str) -> str:
    """Return a sentence with control characters escaped, and without its middle if it is over SENTENCE_CHARACTERS."""
    text = _shortened(text, SENTENCE_CHARACTERS)
    if text.isprintable():
        return text
    escaped = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
    return _shortened(escaped, SENTENCE_CHARACTERS)


def quote(value: object) -> str:
    """Return a file's text, number or bytes for a message: as Python writes it, without its middle if it is long."""
    if isinstance(value, str):
        return repr(_shortened(str(value), VALUE_CHARACTERS))
    return _shortened(repr(getattr(value, "item", lambda: value)()), VALUE_CHARACTERS)


def _shortened(text: str, characters: int) -> str:
    if len(text) <= characters:
        return text
    end = characters // 3
    return text[: characters - end - len(_GAP)] + _GAP + text[-end:]
