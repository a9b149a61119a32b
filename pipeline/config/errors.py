"""The one error that is the user's to mend."""


class BadInput(Exception):
    """What the user can mend: one sentence that names the file, the value and what was expected."""
