"""The images: samples of every class, augmentation, balance, the audit's warnings, copies, test against training."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from features.augmentation.augment import augment_images, mix_images
from features.labels.targets import one_hot
from pipeline.reporting.charts import SERIES, chart
from pipeline.reporting.section import Finding
from pipeline.reporting.sprites import Sprites, Tile
from pipeline.reporting.task_run import TaskRun
from pipeline.reporting.texts import printable, short
from pipeline.storage import paths
from pipeline.storage.task_data import TaskData
from pipeline.storage.tuned_options import load_tuned

TITLE = "Data"
MOST_CLASSES, OF_CLASS = 40, 6  # classes with samples, images of each
MOST_BARS = 40
AUGMENTED_IMAGES, AUGMENTED_VERSIONS = 8, 3
GROUPS, OF_GROUP = 6, 4  # of copies
BRIGHTNESS_ROWS = 1000  # of each split
SEED = 0
IMBALANCE = 10  # the largest class by the smallest one, from which the page remarks on it

Tiles = tuple[tuple[Tile, str], ...]  # each with its caption


@dataclass(frozen=True)
class Augmentation:
    """Images of a member before and after its augmentation."""

    members: str
    originals: tuple[Tile, ...]
    versions: tuple[tuple[Tile, ...], ...]


@dataclass(frozen=True)
class Examples:
    """What the audit noticed, with the images that it is about."""

    title: str
    groups: tuple[Tiles, ...]


@dataclass(frozen=True)
class Data:
    """The content of the section."""

    train_rows: int
    test_rows: int
    size: str
    classes: int
    label_sets: bool
    samples: tuple[tuple[str, int, tuple[Tile, ...]], ...]  # class, its rows, images
    hidden_classes: int
    augmentations: tuple[Augmentation, ...]
    balance: Markup
    labels_per_image: str
    warnings: tuple[str, ...]
    examples: tuple[Examples, ...]
    brightness: Markup | None
    imbalance: float

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The audit's warnings, and an imbalance."""
        findings = [Finding(f"Images: {warning}.", "Look at the images under Data.") for warning in self.warnings]
        if self.imbalance >= IMBALANCE:
            findings.append(
                Finding(
                    f"The largest class has {self.imbalance:.0f} times as many images as the smallest.",
                    "Check that the metric is the competition's, and compare recall by class under Errors.",
                )
            )
        return tuple(findings)


def load(run: TaskRun) -> Data | None:
    """Return what the run has of the task's images, or None before `prepare`."""
    data = run.data
    if data is None or not (data.folder / "train_images.npy").exists():
        return None
    train, test = data.images("train"), data.images("test")
    counts = data.labels.sum(axis=0) if data.has_label_sets else np.bincount(data.labels, minlength=len(data.classes))
    present = counts[counts > 0]
    height, width, channels = train.shape[1:]
    colour = {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")
    shown = range(min(len(data.classes), MOST_CLASSES))
    per_image = run.audit.get("labels_per_image", {})
    return Data(
        len(train),
        len(test),
        f"{height} x {width}, {colour}",
        len(data.classes),
        data.has_label_sets,
        tuple((run.class_names[index], int(counts[index]), _samples(run, data, index)) for index in shown),
        len(data.classes) - len(shown),
        tuple(_augmentations(run, data)),
        _balance_chart(run, counts),
        ", ".join(f"{count:,} with {size}" for size, count in per_image.items()),
        tuple(printable(warning) for warning in run.audit.get("warnings", ())),
        tuple(_examples(run, data)),
        _brightness_chart(run, train, test) if len(train) and len(test) else None,
        float(present.max() / present.min()) if len(present) else 1.0,
    )


def _samples(run: TaskRun, data: TaskData, index: int) -> tuple[Tile, ...]:
    """Return images of a class, spread over its rows."""
    rows = np.flatnonzero(data.labels[:, index] if data.has_label_sets else data.labels == index)
    if not len(rows):
        return ()
    return tuple(run.tiles("train", rows[np.linspace(0, len(rows) - 1, min(OF_CLASS, len(rows))).astype(int)]))


def _augmentations(run: TaskRun, data: TaskData) -> Iterator[Augmentation]:
    """Yield an example for each different augmentation of members that see whole images."""
    names: dict[str, list[str]] = {}
    options = {}
    for name in run.names:
        if not paths.tuning(run.task, name).exists():
            continue
        member = load_tuned(run.task, name)
        if member.augment != type(member.augment)() and member.input == "images":
            key = member.augment.model_dump_json()
            names.setdefault(key, []).append(name)
            options[key] = member.augment
    rows = np.linspace(0, len(data.labels) - 1, min(AUGMENTED_IMAGES, len(data.labels))).astype(int)
    targets = one_hot(data.labels[rows], len(data.classes))
    for index, (key, members) in enumerate(names.items()):
        rng = np.random.default_rng(SEED)
        versions = []
        for version in range(AUGMENTED_VERSIONS):
            changed = augment_images(data.images("train")[rows], options[key], rng)
            mixed, _ = mix_images(changed, targets, options[key], rng)
            versions.append(_changed_tiles(run.sprites, ("augmented", index, version), mixed))
        yield Augmentation(", ".join(members), tuple(run.tiles("train", rows)), tuple(versions))


def _changed_tiles(sprites: Sprites, key: tuple, images: np.ndarray) -> tuple[Tile, ...]:
    return tuple(sprites.add((*key, place), image) for place, image in enumerate(images))


def _balance_chart(run: TaskRun, counts: np.ndarray) -> Markup:
    title = "How many training images each class has."
    bars = min(len(counts), MOST_BARS)
    return chart(
        f"{run.task}-balance", title, partial(_draw_balance, run.class_names, counts), (max(4.4, bars / 4), 2.6)
    )


def _draw_balance(names: list[str], counts: np.ndarray, figure: Figure) -> None:
    axes = figure.subplots()
    if len(names) > MOST_BARS:
        axes.plot(np.sort(counts)[::-1])
        axes.set_xlabel("classes, largest first")
        axes.set_yscale("log")
    else:
        axes.bar(np.arange(len(names)), counts)
        longest = max(len(name) for name in names)
        axes.set_xticks(np.arange(len(names)), [short(name, 18) for name in names], rotation=0 if longest < 4 else 90)
        axes.grid(visible=False, axis="x")
    axes.set_ylabel("training images")


def _brightness_chart(run: TaskRun, train: np.ndarray, test: np.ndarray) -> Markup:
    return chart(
        f"{run.task}-brightness",
        "Mean brightness and contrast of training and test images.",
        partial(_draw_brightness, _brightness(train), _brightness(test)),
        (6.4, 2.4),
    )


def _brightness(images: np.ndarray) -> np.ndarray:
    """Return the mean and the standard deviation (2, k) of the pixels of some images."""
    rows = np.linspace(0, len(images) - 1, min(BRIGHTNESS_ROWS, len(images))).astype(int)
    figures = [(image.mean(), image.std()) for image in (images[row] for row in rows)]
    return np.array(figures).T


def _draw_brightness(train: np.ndarray, test: np.ndarray, figure: Figure) -> None:
    for axes, title, values, others in zip(
        figure.subplots(1, 2), ("mean of the pixels", "spread of the pixels"), train, test, strict=True
    ):
        edges = np.linspace(min(values.min(), others.min()), max(values.max(), others.max()) + 1e-3, 21)
        for name, colour, sample in (("training", SERIES[0], values), ("test", SERIES[1], others)):
            axes.hist(sample, edges, density=True, histtype="step", color=colour, label=name, linewidth=1.5)
        axes.set_title(title)
        axes.set_yticks([])
    axes.legend()


def _examples(run: TaskRun, data: TaskData) -> Iterator[Examples]:
    """Yield what the audit has examples of, each with its images side by side."""
    audit: dict[str, Any] = run.audit
    for key, title in (
        ("conflicting_labels", "Equal images with different labels"),
        ("duplicates_within_train", "Equal training images"),
        ("near_copies_within_train", "Near-copies among training images"),
        ("duplicates_across_train_and_test", "Equal training and test images"),
        ("near_copies_across_train_and_test", "Near-copies in training and test images"),
    ):
        groups = [_group(run, data, example) for example in audit.get(key, {}).get("examples", ())[:GROUPS]]
        if groups:
            count = audit[key].get("groups", audit[key].get("test_rows", len(groups)))
            yield Examples(f"{title}: {count:,}", tuple(groups))
    for key, title in (
        ("constant_images", "images of one colour"),
        ("unlocated_items", "images whose items could not be located"),
    ):
        for split, entry in audit.get(key, {}).items():
            ids = entry["examples"][: GROUPS * OF_GROUP]
            if ids:
                yield Examples(f"{entry['rows']:,} {split} {title}", (tuple(_captioned(run, data, split, ids)),))


def _group(run: TaskRun, data: TaskData, example: Any) -> Tiles:
    """Return the images of one example of the audit: ids, ids with labels, or ids of training and of test images."""
    if isinstance(example, list):
        return tuple(_captioned(run, data, "train", example[:OF_GROUP]))
    if "ids" in example:
        labels = [f": {label}" for label in example["labels"]]
        return tuple(_captioned(run, data, "train", example["ids"][:OF_GROUP], labels))
    train, test = (value if isinstance(value, list) else [value] for value in (example["train"], example["test"]))
    return (
        *_captioned(run, data, "train", train[: OF_GROUP // 2]),
        *_captioned(run, data, "test", test[: OF_GROUP // 2]),
    )


def _captioned(run: TaskRun, data: TaskData, split: str, ids: list, notes: list[str] | None = None) -> Iterator:
    """Yield the image of each id with its split, its id and a note."""
    all_ids = data.train_ids if split == "train" else data.test_ids
    for place, identity in enumerate(ids):
        rows = np.flatnonzero(all_ids == identity)
        if len(rows):
            note = notes[place] if notes else ""
            yield run.tiles(split, rows[:1])[0], f"{split} {identity}{note}"
