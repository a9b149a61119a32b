"""What a member sees in images of items: where each item is, its most probable price, and the sum."""

import itertools
from dataclasses import dataclass

import keras
import numpy as np
from scipy.special import softmax

from features.items.connected_parts import Box
from features.items.locating import locate_items
from models.parts.sums import PriceSums
from pipeline.config.schema import Member
from pipeline.storage.task_data import TaskData
from pipeline.training.batches import PredictionBatches
from pipeline.training.network import PREDICTION_BATCH


@dataclass(frozen=True)
class Item:
    """A model's prediction for an item."""

    box: Box
    price: int
    probability: float  # of that price


def has_items(member: Member) -> bool:
    """Return whether a member predicts the prices of items."""
    return member.input == "items" or member.head == "grid"


def item_prices(
    member: Member, data: TaskData, model: keras.Model, rows: np.ndarray
) -> tuple[list[list[Item]], np.ndarray]:
    """Return the items of some training images (n,), and the probabilities (n, classes) of their sums."""
    batches = PredictionBatches(data.images("train", member.input), rows, PREDICTION_BATCH)
    sums = next(layer for layer in model.layers if isinstance(layer, PriceSums))
    logits = keras.Model(model.input, [sums.input, sums.output]).predict(batches, verbose=0)
    kinds, chances = (softmax(outputs, axis=-1) for outputs in logits)
    return _items(member, data.items, model, data.images("train")[rows], kinds), chances


def _items(member: Member, about: dict, model: keras.Model, images: np.ndarray, kinds: np.ndarray) -> list[list[Item]]:
    """Return the items of each image, given the probabilities (n, items or cells, kinds) of kinds."""
    if member.head == "grid":
        network = next(layer for layer in model.layers if isinstance(layer, keras.Model))
        cells = _cells(network.output_shape[1:3], images.shape[1:3])
        boxes = np.broadcast_to(cells, (len(images), *cells.shape))
        present, kinds = kinds[..., 0] < 0.5, kinds[..., 1:]  # the first kind is nothing
    else:
        boxes = locate_items(images, about["count"], about["size_pixels"], about["black"])
        present = np.any(boxes, axis=2)
    prices, places = np.unique(about["prices"], return_inverse=True)
    chances = kinds @ np.eye(len(prices))[places]  # several kinds may have one price
    return [
        [
            Item(tuple(box.tolist()), int(prices[c.argmax()]), float(c.max()))
            for box, c in zip(b[p], chance[p], strict=True)
        ]
        for b, p, chance in zip(boxes, present, chances, strict=True)
    ]


def _cells(grid: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Return the boxes, int (rows * columns, 4), of the cells of a grid over images of size (height, width)."""
    edges = [np.linspace(0, side, count + 1).round().astype(int) for side, count in zip(size, grid, strict=True)]
    rows, columns = ([*itertools.pairwise(sides)] for sides in edges)
    return np.array([(top, left, bottom, right) for top, bottom in rows for left, right in columns])
