"""Galleries of wrong and right images, with prediction and confidence, the most confident errors first."""

from dataclasses import dataclass

import numpy as np

from pipeline.reporting.section import Finding
from pipeline.reporting.sprites import Tile
from pipeline.reporting.task_run import OutOfFold, TaskRun
from pipeline.reporting.texts import plural

TITLE = "Right and wrong images"
WRONG, RIGHT = 240, 120  # images at most
LEAST_OF_CLASS = 3  # images of each class, as far as all of them fit
MOST_NAMES = 4  # of a label set


@dataclass(frozen=True)
class Picture:
    """An image with its label and its prediction."""

    tile: Tile
    id: str
    label: str
    predicted: str
    caption: str  # both or, for a label set, in what they differ
    confidence: float
    classes: tuple[int, ...]  # the indices of its true and predicted classes, by which the filter finds it


@dataclass(frozen=True)
class Galleries:
    """The images, and the classes that the filter offers."""

    judged_name: str
    has_label_sets: bool
    wrong: tuple[Picture, ...]
    right: tuple[Picture, ...]
    wrong_count: int
    right_count: int
    choices: tuple[tuple[int, str], ...]  # index and name of each class with an image

    @property
    def findings(self) -> tuple[Finding, ...]:
        """How many errors are confident."""
        confident = sum(picture.confidence >= 0.9 for picture in self.wrong)
        if not confident:
            return ()
        some = "At least " if self.wrong_count > len(self.wrong) and confident == len(self.wrong) else ""
        return (
            Finding(
                f"{some}{plural(confident, 'error')} with a confidence of 90 % or more.".capitalize(),
                "Look at the first images under Right and wrong images: such errors are often wrong labels.",
            ),
        )


def load(run: TaskRun) -> Galleries | None:
    """Return the galleries, or None before there are predictions."""
    oof, judged, decided = run.out_of_fold, run.judged, run.decisions
    if oof is None or judged is None or decided is None or run.judged_name is None:
        return None
    if run.has_label_sets:
        labels = oof.labels.astype(bool)
        is_wrong = (decided != labels).any(axis=1)
        sure = np.where(decided, judged, 1 - judged)
        confidence = np.where(is_wrong, np.where(decided != labels, sure, 0).max(axis=1), sure.min(axis=1))
        classes = _largest(labels, judged)
    else:
        is_wrong = decided != oof.labels
        confidence, classes = judged[np.arange(len(decided)), decided], oof.labels
    wrong, right = np.flatnonzero(is_wrong), np.flatnonzero(~is_wrong)
    wrong_order = wrong[np.argsort(-confidence[wrong], kind="stable")]
    right_order = right[np.argsort(confidence[right], kind="stable")]
    wrong_pictures = _pictures(run, oof, decided, confidence, _selection(wrong_order, classes, WRONG))
    right_pictures = _pictures(run, oof, decided, confidence, _selection(right_order, classes, RIGHT))
    present = sorted({index for picture in (*wrong_pictures, *right_pictures) for index in picture.classes})
    choices = tuple((index, run.class_names[index]) for index in present)
    return Galleries(
        run.judged_name, run.has_label_sets, wrong_pictures, right_pictures, len(wrong), len(right), choices
    )


def _largest(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return one class index (n,) of each label set, the most probable of its labels."""
    return np.where(labels, probabilities + 1, probabilities).argmax(axis=1)


def _selection(order: np.ndarray, classes: np.ndarray, most: int) -> np.ndarray:
    """Return at most `most` rows of `order` in order: first some of each class, then whatever comes first."""
    ranks = np.empty(len(order), int)
    by_class = np.argsort(classes[order], kind="stable")
    _, starts, counts = np.unique(classes[order][by_class], return_index=True, return_counts=True)
    ranks[by_class] = np.arange(len(order)) - np.repeat(starts, counts)
    preferred = np.argsort(ranks >= LEAST_OF_CLASS, kind="stable")[:most]
    return order[np.sort(preferred)]


def _pictures(
    run: TaskRun, oof: OutOfFold, decided: np.ndarray, confidence: np.ndarray, rows: np.ndarray
) -> tuple[Picture, ...]:
    tiles = run.tiles("train", oof.rows[rows])
    pictures = []
    for tile, row in zip(tiles, rows, strict=True):
        true, predicted = _indices(oof.labels[row]), _indices(decided[row])
        pictures.append(
            Picture(
                tile,
                str(oof.ids[row]),
                names_of(run, true),
                names_of(run, predicted),
                _caption(run, true, predicted),
                float(confidence[row]),
                tuple(sorted({*true, *predicted})),
            )
        )
    return tuple(pictures)


def _caption(run: TaskRun, true: list[int], predicted: list[int]) -> str:
    if true == predicted:
        return names_of(run, true)
    if not run.has_label_sets:
        return f"{names_of(run, true)} → {names_of(run, predicted)}"
    missed, added = sorted({*true} - {*predicted}), sorted({*predicted} - {*true})
    parts = (f"misses {names_of(run, missed)}" if missed else "", f"adds {names_of(run, added)}" if added else "")
    return "; ".join(filter(None, parts))


def _indices(value: np.ndarray) -> list[int]:
    """Return the indices of a class index, or of the indicators (classes,) of a label set."""
    return np.flatnonzero(value).tolist() if np.ndim(value) else [int(value)]


def names_of(run: TaskRun, indices: list[int]) -> str:
    """Return the names of classes in one line, `none` without any."""
    names = [run.class_names[index] for index in indices[:MOST_NAMES]]
    more = f" and {len(indices) - MOST_NAMES} more" if len(indices) > MOST_NAMES else ""
    return (", ".join(names) or "none") + more
