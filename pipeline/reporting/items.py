"""Images whose label is a sum: where the best member located items, and the price that it reads from each."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.reporting.section import Finding
from pipeline.reporting.sprites import Tile
from pipeline.reporting.task_run import TaskRun
from pipeline.storage import paths
from pipeline.storage.files import load_json, reading

TITLE = "Items and prices"


@dataclass(frozen=True)
class Item:
    """A located item, in percent of the image's size."""

    top: float
    left: float
    height: float
    width: float
    price: str
    probability: float


@dataclass(frozen=True)
class Picture:
    """An image with its items."""

    tile: Tile
    id: str
    label: str
    sum: str
    probability: float
    items: tuple[Item, ...]

    @property
    def is_right(self) -> bool:
        """Whether the sum is right."""
        return self.label == self.sum


@dataclass(frozen=True)
class Items:
    """The images of a member."""

    member: str
    wrong: tuple[Picture, ...]
    right: tuple[Picture, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Nothing that the other sections do not say."""
        return ()


def load(run: TaskRun) -> Items | None:
    """Return the images, or None if no member predicts items."""
    files = {name: paths.predictions(run.task, name) / "items.json" for name in run.metrics}
    names = sorted((name for name, path in files.items() if path.exists()), key=lambda name: name != run.best_member)
    if not names or run.data is None:
        return None
    rows = {str(identity): row for row, identity in enumerate(run.data.train_ids)}
    with reading(files[names[0]], "images with items"):
        entries = [entry for entry in load_json(files[names[0]], list) if str(entry["id"]) in rows]
        pictures = [_picture(run, entry, rows[str(entry["id"])]) for entry in entries]
    wrong = tuple(picture for picture in pictures if not picture.is_right)
    return Items(names[0], wrong, tuple(picture for picture in pictures if picture.is_right))


def _picture(run: TaskRun, entry: dict[str, Any], row: int) -> Picture:
    assert run.data is not None
    height, width = run.data.about["image"][:2]
    return Picture(
        run.tiles("train", np.array([row]))[0],
        str(entry["id"]),
        str(entry["label"]),
        str(entry["sum"]),
        entry["probability"],
        tuple(_item(item, height, width) for item in entry["items"]),
    )


def _item(item: dict[str, Any], height: int, width: int) -> Item:
    top, left, bottom, right = item["box"]
    return Item(
        100 * top / height,
        100 * left / width,
        100 * (bottom - top) / height,
        100 * (right - left) / width,
        str(item["price"]),
        item["probability"],
    )
