"""Label files in COCO's JSON format: `images`, and for training images `annotations` with categories.

The description of test images may be a list of images alone. An image is known by `id` or `image_id` and its file by
`file_name`. All other plain values of an image, such as its location, become columns.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config.errors import BadInput, quote
from pipeline.readers.compressed import open_decompressed
from pipeline.readers.label_table import SET_SEPARATOR, LabelTable
from pipeline.readers.raw import tidy
from pipeline.storage.files import blame


def read_coco(path: Path, label_sets: bool = False) -> LabelTable:
    """Return the images of a JSON file, with the ids of their categories as labels if the file has annotations.

    Images without an annotation are left out.

    Raises:
        BadInput: the file is not such JSON, or an image has several categories but the task no label sets.
    """
    with open_decompressed(path) as stream:
        try:
            tree = json.load(stream)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{path}: not readable as JSON: {error}") from error
    with blame(path):
        images = tree.get("images") if isinstance(tree, dict) else tree
        if not isinstance(images, list) or not images:
            raise ValueError("no list of images in it, expected COCO's format")
        labels = _labels(tree, label_sets) if isinstance(tree, dict) and "annotations" in tree else None
        if labels is not None:
            images = [image for image in images if _id(image) in labels]
            if not images:
                raise ValueError("no annotation is of an image in it")
        return LabelTable(
            ids=tidy(np.array([_id(image) for image in images]), "id"),
            labels=None if labels is None else _values(labels, images, label_sets),
            columns=_columns(images),
            files=np.array([_value(image, "file_name") for image in images]),
            separator=SET_SEPARATOR if label_sets else None,
        )


def _labels(tree: dict[str, Any], label_sets: bool) -> dict[str, list[str]]:
    """Return the different categories of each annotated image."""
    categories: dict[str, dict[str, None]] = defaultdict(dict)
    for annotation in tree["annotations"]:
        categories[_value(annotation, "image_id")][_value(annotation, "category_id")] = None
    several = next((image for image, names in categories.items() if len(names) > 1), None)
    if several is not None and not label_sets:
        raise ValueError(
            f"image {quote(several)} has {len(categories[several])} categories; declare label_separator for label sets"
        )
    return {image: list(names) for image, names in categories.items()}


def _values(labels: dict[str, list[str]], images: list[dict[str, Any]], label_sets: bool) -> np.ndarray:
    texts = np.array([SET_SEPARATOR.join(labels[_id(image)]) for image in images])
    return texts if label_sets else tidy(texts, "label")


def _columns(images: list[dict[str, Any]]) -> pd.DataFrame | None:
    frame = pd.DataFrame(
        [{key: value for key, value in image.items() if isinstance(value, str | int | float)} for image in images]
    )
    frame = frame.drop(columns=["id", "image_id", "file_name"], errors="ignore")
    return frame.astype(object).where(frame.notna(), "").astype(str) if len(frame.columns) else None


def _id(image: dict[str, Any]) -> str:
    return _value(image, "id" if isinstance(image, dict) and "id" in image else "image_id")


def _value(entry: dict[str, Any], key: str) -> str:
    if not isinstance(entry, dict) or not isinstance(entry.get(key), str | int):
        raise ValueError(f"{quote(entry)} has no {key}, expected COCO's format")
    return str(entry[key])
