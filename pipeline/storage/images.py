"""What `ingest` and `prepare` write down about a task's images."""

from pathlib import Path
from typing import Any

from pipeline.storage.files import load_json


def load_about(folder: Path) -> dict[str, Any]:
    """Return the classes, the shape of an image and, after `prepare`, what its items are; None: it has none."""
    return load_json(folder / "about.json", {"classes": list, "image": list})


def load_statistics(folder: Path, name: str) -> dict[str, list[float]]:
    """Return mean and standard deviation of each channel of the training `images` or `items`."""
    return load_json(folder / "statistics.json", {name: {"mean": list, "std": list}})[name]
