"""The positive class of a task with two classes, or the classes that are declared as positive."""

from collections.abc import Sequence

from features.labels.class_spellings import class_finder, spelling_key

_POSITIVE = {spelling_key(word) for word in ("1", "true", "yes", "positive")}


def positive_classes(classes: Sequence[int | str], declared: Sequence[int | str] | None) -> tuple[int, ...]:
    """Return the indices of the positive classes.

    If none is declared, it is the one of two classes that is spelled as 1, true, yes or positive. There is none if it
    is neither, or both, or if there are more classes.

    Raises:
        ValueError: a declared class is unknown, or all classes are declared.
    """
    if declared is None:
        positives = [index for index, name in enumerate(classes) if spelling_key(str(name)) in _POSITIVE]
        return tuple(positives) if len(classes) == 2 and len(positives) == 1 else ()
    find = class_finder(classes)
    indices = [find(str(name)) for name in declared]
    if None in indices:
        unknown = declared[indices.index(None)]
        raise ValueError(f"submission.positive {unknown!r} is no class, expected one of {', '.join(map(str, classes))}")
    if len(set(indices)) == len(classes):
        raise ValueError("submission.positive lists all classes, expected some, not all")
    return tuple(sorted({index for index in indices if index is not None}))
