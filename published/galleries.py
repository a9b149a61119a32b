"""Test images that a system gets right and wrong, with its prediction and confidence, as reports A and B show them."""

from contextlib import chdir
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pipeline.config.schema import Params, load_params
from pipeline.score import load_answers, solution_path
from pipeline.storage import paths
from pipeline.storage.files import align
from pipeline.storage.predictions import load_predictions
from pipeline.storage.task_data import TaskData

FOLDER = "galleries"
IMAGES = 8  # of each kind
IMAGE_INCHES, TITLE_INCHES = 1.5, 0.5  # width of an image, height of the text above it


def write_galleries(folder: Path) -> list[tuple[str, str]]:
    """Draw a picture for each member whose predictions and answers are known; return its name and the picture's path.

    The first line has right predictions, the second one wrong predictions, the surest first.
    """
    with chdir(folder):
        params = load_params(paths.PARAMS)
        Path(FOLDER).mkdir(exist_ok=True)
        names = [
            name
            for name, member in params.members.items()
            if paths.predictions(member.task, name).exists() and solution_path(params, member.task).exists()
        ]
        for name in names:
            _draw(params, name).savefig(Path(FOLDER, f"{name}.png"), dpi=80)
    return [(name, f"{FOLDER}/{name}.png") for name in names]


def rows_of(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows of right and of wrong predictions, the surest first, the predicted classes, and the confidence.

    A set of labels is right if it is not empty and has only true labels, as in report E. Its confidence is the least
    probability of a predicted label.

    Args:
        probabilities: float (n, classes).
        labels: class indices (n,), or indicators (n, classes) of label sets.
    """
    if labels.ndim == 2:
        predicted = probabilities > 0.5
        is_right = predicted.any(axis=1) & ~(predicted & ~labels.astype(bool)).any(axis=1)
        confidence = np.where(predicted, probabilities, 1).min(axis=1)
    else:
        predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
        is_right = predicted == labels
    order = np.argsort(-confidence, kind="stable")
    return order[is_right[order]], order[~is_right[order]], predicted, confidence


def _draw(params: Params, name: str) -> Figure:
    task = params.members[name].task
    data, answers = TaskData(task), load_answers(params, task)
    test = load_predictions(paths.predictions(task, name) / "test.npz", data.has_label_sets)
    probabilities = test.probabilities[align(answers.ids, test.ids)]
    images = data.images("test")
    places = align(answers.ids, data.test_ids)
    right, wrong, predicted, confidence = rows_of(probabilities, answers.labels)
    height = IMAGE_INCHES * images.shape[1] / images.shape[2] + TITLE_INCHES
    figure = Figure(figsize=(IMAGE_INCHES * IMAGES, 2 * height), layout="constrained")
    panels = figure.subplots(2, IMAGES)
    for line, rows in zip(panels, (right, wrong), strict=True):
        for panel in line:
            panel.axis("off")
        for panel, row in zip(line, rows[:IMAGES], strict=False):
            pixels = np.asarray(images[places[row]])
            panel.imshow(pixels if pixels.shape[2] == 3 else pixels[..., 0], cmap="gray", vmin=0, vmax=255)
            label = "" if rows is right else f"\nnot {_names(answers.labels[row], data.classes)}"
            title = f"{_names(predicted[row], data.classes)}, {confidence[row]:.0%}{label}"
            panel.set_title(title, fontsize=8, color="black" if rows is right else "darkred", parse_math=False)
    return figure


def _names(label: np.ndarray, classes: list[int | str]) -> str:
    """Return the name of a class index, or the names of a label set in one line."""
    names = [str(classes[index]) for index in np.flatnonzero(label)] if np.ndim(label) else [str(classes[int(label)])]
    return " ".join(names) or "none"
