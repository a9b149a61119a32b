"""The entry of params.yaml for a new competition: two members to start with, and what they need on this machine."""

import math
import re
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import yaml

from models.registry.backbones import PACKAGES
from pipeline.readers.csv_table import LABEL_NAMES, Table, read_text
from pipeline.readers.survey import Pictures, Survey

SMALL_PIXELS = 64  # images with sides up to this keep their size
MOST_PIXELS = 128  # longer side at which larger images are stored
PHOTO_PIXELS = 256  # the same for colour images
LEAST_PHOTO_PIXELS = 48  # shorter side of colour images that count as photos
LEAST_FEW_PIXELS = 24  # the same where there are at most FEW_IMAGES
FEW_IMAGES = 10_000  # too few to learn from small images what ImageNet teaches
SMALL_PHOTO_SIDES = (192, 128)  # of the networks' images, quick and strong, for photos with sides up to SMALL_PIXELS
GROUP = re.compile(r"patient|subject|camera|location|plant_?id", re.IGNORECASE)  # a column with groups of rows
NAMED = re.compile(r"[A-Za-z_-]+\.[0-9]+\.[A-Za-z]+")  # cat.0.jpg: the name of an image begins with its label
SEVERAL = r"\S\s+\S"  # labels in a cell
FOLDS = 5
CHANNELS = 3
COPIES = 2  # of the stored images: in the workspace and in DVC's cache
TRAINING_PASSES = 3 * (FOLDS - 1)  # in an epoch of all folds; a training step computes as much as three predictions
MATMUL_SHARE = 0.5  # of the speed of a product of matrices, which a training reaches roughly
MEASURED_SECONDS = 0.3
NAMES = ("quick", "strong")
OFFLINE, DOWNLOAD = "efficientnet_lite0", "efficientnetv2b0"  # a package has the weights of the first one
FLOPS_PER_PIXEL = {"fast": 48_000, "deep_resnet": 72_300, OFFLINE: 15_350, DOWNLOAD: 28_900}  # of a prediction
BACKBONE_PIXELS = 224  # side of the images on which these two were trained
STRONG_EPOCHS = 12  # of the preset photos-strong


@dataclass(frozen=True)
class Recipe:
    """A member to start with."""

    name: str
    architecture: str
    settings: tuple[str, ...]  # lines of YAML
    flops: int  # of all folds, for each training image


def recipes(pictures: Pictures) -> tuple[Recipe, Recipe]:
    """Return the quick and the strong member for these images."""
    shorter = min(pictures.height, pictures.width)
    least = LEAST_FEW_PIXELS if pictures.count <= FEW_IMAGES else LEAST_PHOTO_PIXELS
    is_photo = pictures.is_colour and shorter >= least
    return _photo_recipes(pictures) if is_photo else _plain_recipes(pictures)


def _plain_recipes(pictures: Pictures) -> tuple[Recipe, Recipe]:
    return (
        _plain_recipe(
            pictures,
            ("quick", "fast"),
            "augment: {flip: true, shift_pixels: 2}",
            "optimiser: muon, learning_rate: 1e-2, weight_decay: 0.02",
            epochs=8,
            longest_pixels=64,
        ),
        _plain_recipe(
            pictures,
            ("strong", "deep_resnet"),
            "augment: {flip: true, rotation_degrees: 15, rescale_share: 0.2, erase_probability: 0.25}",
            "learning_rate: 2e-3, weight_decay: 0.05",
            epochs=30,
            longest_pixels=MOST_PIXELS,
        ),
    )


def _plain_recipe(
    pictures: Pictures, names: tuple[str, str], augment: str, training: str, epochs: int, longest_pixels: int
) -> Recipe:
    """Return a member that learns from nothing, with images whose longer side has at most `longest_pixels`."""
    height, width = _stored_size(pictures)
    scale = min(1.0, longest_pixels / max(height, width, 1))
    size = (height, width) if scale == 1 else (_eights(height * scale), _eights(width * scale))
    resize = () if scale == 1 else (f"resize_pixels: [{size[0]}, {size[1]}]",)
    name, architecture = names
    flops = TRAINING_PASSES * epochs * FLOPS_PER_PIXEL[architecture] * size[0] * size[1]
    return Recipe(name, architecture, (*resize, augment, f"training: {{epochs: {epochs}, {training}}}"), flops)


def _photo_recipes(pictures: Pictures) -> tuple[Recipe, Recipe]:
    """Return members with a pretrained network, which enlarges small photos."""
    backbone = DOWNLOAD if PACKAGES[OFFLINE].path() is None else OFFLINE
    is_small = max(pictures.height, pictures.width) <= SMALL_PIXELS
    sides = SMALL_PHOTO_SIDES if is_small else (BACKBONE_PIXELS, BACKBONE_PIXELS)
    enlarged = f", size_pixels: {sides[0]}" if is_small else ""
    resize = (f"resize_pixels: [{sides[1]}, {sides[1]}]",) if is_small else ()
    quick_flops, strong_flops = (FLOPS_PER_PIXEL[backbone] * side**2 for side in sides)
    return (
        Recipe(
            "quick", "features", ("preset: photos-fast", f"options: {{backbone: {backbone}{enlarged}}}"), quick_flops
        ),
        Recipe(
            "strong",
            "pretrained",
            ("preset: photos-strong", f"options: {{backbone: {backbone}}}", *resize),
            TRAINING_PASSES * STRONG_EPOCHS * strong_flops,
        ),
    )


def entry(name: str, files: Survey, pictures: Pictures) -> dict[str, str]:
    """Return the YAML of the blocks `tasks` and `members`, without their headings."""
    return {"tasks": _task(name, files, pictures), "members": _members(name, pictures)}


def _task(name: str, files: Survey, pictures: Pictures) -> str:
    assert files.train is not None and files.test is not None
    likely, *others = _fitting_metrics(files)
    lines = [
        f"  {name}:",
        f"    # {pictures.count} image files, the median one {pictures.height}x{pictures.width}"
        if pictures.height
        else f"    # images in {files.train.name}",
        "    # competition: NAME  # on Kaggle, for the commands of docs/kaggle.md",
        f"    metric: {likely}  # TODO: see the competition's page; it may be {', '.join(others)}",
        "    ingest:",
        f"      folder: {_scalar(files.folder.as_posix())}",
        f"      train: {{{', '.join(_train(files))}}}",
        f"      test: {{images: {_scalar(files.test.name)}}}",
        f"      sample_submission: {_scalar(files.sample.path.relative_to(files.folder).as_posix())}",
    ]
    if pictures.is_mixed or _stored_size(pictures) != (pictures.height, pictures.width):
        lines.append(
            f"      image: [{', '.join(map(str, _stored_size(pictures)))}]  # [height, width] of the stored images"
        )
    if pictures.is_mixed and pictures.is_colour:
        lines.append("      resize: crop  # keeps the aspect ratio")
    columns = files.labels.names or () if files.labels else ()
    group = next((f", group_column: {_scalar(column)}" for column in columns if GROUP.search(column)), "")
    lines.append(f"    split: {{count: {FOLDS}{group}}}")
    return "\n".join(lines) + "\n"


def _train(files: Survey) -> list[str]:
    """Return the settings of the training split that ingest cannot infer, and the images."""
    assert files.train is not None
    settings = [f"images: {_scalar(files.train.name)}"]
    if files.labels is not None:
        settings.append(f"labels: {_scalar(files.labels.path.relative_to(files.folder).as_posix())}")
        settings += _label_settings(files.labels, files.sample)
    elif files.coco:
        settings.append(f"labels: {_scalar(files.coco)}")
    elif files.train.files and all(NAMED.fullmatch(file) for file in files.train.files):
        settings.append('path_pattern: "{label}.*"')
    return settings


def _label_settings(labels: Table, sample: Table) -> list[str]:
    """Return the label column, if only its values show it, and the separator, if both files have several labels a cell.

    The values of the label column are names of the sample's columns or words in its cells.
    """
    frame, answers = read_text(labels), read_text(sample)
    columns, names = labels.names or (), (sample.names or ())[1:]
    words = {word.casefold() for cell in answers[1] for word in cell.split()} | {name.casefold() for name in names}
    named = [place for place, name in enumerate(columns) if name in names or name.lower() in LABEL_NAMES]
    alike = [place for place in frame if words.issuperset(frame[place].str.casefold())]
    settings, place = [], next(iter([*named, *alike, labels.width - 1]))
    if labels.width > 2 and columns and alike and not named:
        settings.append(f"label_column: {_scalar(columns[place])}")
    if answers[1].str.contains(SEVERAL).all() and frame[place].str.contains(SEVERAL).any():
        settings.append('label_separator: " "')
    return settings


def _fitting_metrics(files: Survey) -> list[str]:
    """Return the metrics that the values of the sample submission suggest, the likeliest first."""
    frame = read_text(files.sample)
    if files.sample.width > 2:
        return ["log_loss", "roc_auc"]
    cells = frame[1].str.strip()
    if cells.str.contains(SEVERAL).all():
        has_sets = files.labels is not None and any("separator" in line for line in _train(files))
        return ["micro_f1", "sample_f1"] if has_sets else ["map_at_k", "top_k_accuracy"]
    values = pd.to_numeric(cells, errors="coerce")
    if ((values > 0) & (values < 1)).any():
        return ["roc_auc", "log_loss"]
    may_be_probability = ["roc_auc", "log_loss"] if cells.nunique() == 1 and values.isin([0, 1]).all() else []
    return ["accuracy", "macro_f1", "quadratic_kappa", *may_be_probability]


def _members(name: str, pictures: Pictures) -> str:
    lines = [
        line
        for recipe in recipes(pictures)
        for line in (f"  {name}-{recipe.name}:", *(f"    {line}" for line in _settings(name, recipe)))
    ]
    return "\n".join(lines) + "\n"


def _settings(name: str, recipe: Recipe) -> tuple[str, ...]:
    return (f"task: {name}", f"architecture: {recipe.architecture}", *recipe.settings)


def needs(files: Survey, pictures: Pictures) -> list[str]:
    """Return a sentence about the disk and one about the hours that the entry needs on this machine's CPU."""
    assert files.train is not None
    if not pictures.height:
        return []
    height, width = _stored_size(pictures)
    megabytes = math.ceil(COPIES * pictures.count * height * width * CHANNELS / 1e6)
    speed, rows = MATMUL_SHARE * _matmul_speed(), len(files.train.files)
    hours = [f"{recipe.name} about {_hours(rows * recipe.flops / speed)}" for recipe in recipes(pictures)]
    return [
        f"disk: about {megabytes} MB for the images, with DVC's cache; memory: about 2 GB",
        f"training with {FOLDS} folds on this CPU: {', '.join(hours)}",
    ]


def _matmul_speed() -> float:
    """Return the floating-point operations a second of a product of matrices, float32, on all cores."""
    matrix, products, started = np.ones((1024, 1024), np.float32), 0, time.monotonic()
    while (seconds := time.monotonic() - started) < MEASURED_SECONDS:
        matrix @ matrix
        products += 1
    return products * 2 * 1024**3 / seconds


def _hours(seconds: float) -> str:
    return f"{max(1, round(seconds / 60))} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"


def _scalar(value: str | None) -> str:
    """Return a text as YAML inside a flow mapping, quoted where it must be."""
    dumped = yaml.safe_dump([value], default_flow_style=True, width=10**6, allow_unicode=True).strip()
    return dumped[1:-1]


def _stored_size(pictures: Pictures) -> tuple[int, int]:
    """Return (height, width) at which the images are stored: sides up to a limit, in multiples of eight."""
    longest = max(pictures.height, pictures.width)
    if longest <= SMALL_PIXELS and not pictures.is_mixed:
        return pictures.height, pictures.width
    most = PHOTO_PIXELS if pictures.is_colour else MOST_PIXELS
    scale = min(1.0, most / longest)
    return _eights(pictures.height * scale), _eights(pictures.width * scale)


def _eights(pixels: float) -> int:
    return max(8, 8 * round(pixels / 8))
