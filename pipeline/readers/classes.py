"""The classes of a task, from its training labels, in the spelling of its entry or its sample submission."""

import re

import numpy as np
import yaml

from features.labels.class_spellings import class_finder, respell, spelling_key
from pipeline.config.errors import quote
from pipeline.config.schema import Label
from pipeline.readers.raw import tidy

_MISSING = ("nan", "n/a", "na", "null", "none", "<na>")  # how programs write an unknown label
_MOST_LISTED = 10
_WHOLE_NUMBER = re.compile(r"(0|-?[1-9][0-9]{0,17})(\.0*)?")  # "007" is a name


def class_indices(labels: np.ndarray, declared: tuple[Label, ...] | None) -> tuple[list[Label], np.ndarray]:
    """Return the classes, sorted, and the index (n,) int64 of each label among them.

    A label may be a declared class in another spelling. `1` and `1.0` are one class.

    Raises:
        ValueError: there is only one class, or a label is not a declared class.
    """
    labels = _in_one_spelling(labels)
    if declared is None:
        values, indices = np.unique(labels, return_inverse=True)
        if len(values) < 2:
            raise ValueError(f"every label is {quote(values[0])}, expected 2 classes or more")
        return values.tolist(), indices.astype(np.int64)
    numeric = all(isinstance(label, int) for label in declared)
    classes = sorted(set(declared) if numeric else {str(label) for label in declared})
    spellings, indices = np.unique(labels.astype(str), return_inverse=True)
    class_of_spelling = [class_finder(classes)(text) for text in spellings.tolist()]
    if None in class_of_spelling:
        row = int(np.argmax(np.array([index is None for index in class_of_spelling])[indices]))
        label = quote(labels[row])
        raise ValueError(f"label {label} in row {row} (counted from 0) is not among the classes {class_list(classes)}")
    return classes, np.array(class_of_spelling, np.int64)[indices]


def _in_one_spelling(labels: np.ndarray) -> np.ndarray:
    """Return labels (n,) as int64 if all are whole numbers, some of them with a decimal point, else unchanged."""
    texts = np.unique(labels).tolist() if labels.dtype.kind == "U" else ["no number"]
    if not all(_WHOLE_NUMBER.fullmatch(text) for text in texts):
        return labels
    return np.array([int(text.partition(".")[0]) for text in labels.tolist()], np.int64)


def label_set_indicators(
    texts: np.ndarray, declared: tuple[Label, ...] | None, separator: str
) -> tuple[list[Label], np.ndarray]:
    """Return the classes, sorted, and indicators (n, classes) uint8 of those that each row names.

    Raises:
        ValueError: every set is empty, a label is not a declared class, or a label occurs twice in a set.
    """
    sets = [names_in(text, separator) for text in texts.tolist()]
    rows = np.repeat(np.arange(len(sets)), [len(names) for names in sets])
    if not len(rows):
        raise ValueError("every label set is empty, expected labels")
    classes, indices = class_indices(tidy(np.array([name for names in sets for name in names])), declared)
    indicators = np.zeros((len(sets), len(classes)), np.uint8)
    np.add.at(indicators, (rows, indices), 1)
    if indicators.max() > 1:
        row, index = np.argwhere(indicators > 1)[0]
        raise ValueError(f"label {quote(classes[index])} occurs twice in row {row} (counted from 0)")
    return classes, indicators


def names_in(text: str, separator: str | None) -> list[str]:
    """Return the labels that a cell names."""
    parts = [text] if separator is None else text.split(separator)
    return [part.strip() for part in parts if part.strip()]


def class_warnings(classes: list[Label]) -> list[str]:
    """Return one warning sentence for each class that may be a missing label or a second spelling."""
    texts, firsts = [str(label) for label in classes], {}
    missing = [text for text in texts if text.casefold() in _MISSING]
    sentences = [f"class {quote(text)} may mean a missing label" for text in missing]
    for text in texts:
        twin = firsts.setdefault(spelling_key(text), text)
        if twin != text:
            sentences.append(f"classes {quote(twin)} and {quote(text)} may be one class in two spellings")
    return sentences


def sample_spellings(classes: list[Label], cells: list[str], separator: str | None) -> tuple[dict[str, str], bool]:
    """Return the classes that a sample submission spells differently, and whether all its cells have one value.

    Empty cells and numbers between 0 and 1 are placeholders. One repeated value is probably a placeholder too.

    Returns:
        (the sample's spelling by class, whether all cells have one value or contain placeholders)
    """
    names = {name for cell in cells for name in names_in(cell, separator)}
    if not names or _are_probabilities(names):
        return {}, True
    find, texts = class_finder(classes), [str(label) for label in classes]
    index_of = {name: find(name) for name in sorted(names) if name not in texts}
    others = {texts[index]: name for name, index in index_of.items() if index is not None}
    return others, len(names) == 1


def stranger(classes: list[Label], cells: list[str], separator: str | None) -> str | None:
    """Return one of a sample submission's labels if there are several and none of them is a class."""
    names = {name for cell in cells for name in names_in(cell, separator)}
    if len(names) < 2 or _are_probabilities(names) or names & {str(label) for label in classes}:
        return None
    return min(names)


def _are_probabilities(names: set[str]) -> bool:
    numbers = [float(name) for name in names if re.fullmatch(r"[0-9.]+(e-?[0-9]+)?", name) and name.count(".") < 2]
    return len(numbers) == len(names) and max(numbers) <= 1 and any(0 < number < 1 for number in numbers)


def are_numbers(spellings: dict[str, str]) -> bool:
    """Return whether all spellings are whole numbers, such as `1` and `1.0`, which surely mean the same."""
    return all(_WHOLE_NUMBER.fullmatch(text) for pair in spellings.items() for text in pair)


def respelled(classes: list[Label], spellings: dict[str, str]) -> list[Label]:
    """Return the classes in the spelling of the sample submission."""
    texts = respell([str(label) for label in classes], spellings)
    return [int(text) if re.fullmatch(r"0|-?[1-9][0-9]{0,17}", text) else text for text in texts]


def classes_line(classes: list[Label], spellings: dict[str, str]) -> str:
    """Return the line of a task's entry with the classes in the spelling of the sample submission."""
    values = respelled(classes, spellings)
    flow = yaml.safe_dump(values, default_flow_style=True, allow_unicode=True, width=float("inf")).strip()
    return f"classes: {flow}"


def class_list(classes: list[Label]) -> str:
    """Return the first classes, for a sentence."""
    return ", ".join(map(str, classes[:_MOST_LISTED])) + (", ..." if len(classes) > _MOST_LISTED else "")
