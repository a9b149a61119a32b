"""`python -m pipeline.picture MEMBER FILE.png`: draw a member's predictions of items, if labels are sums of items.

Each item has a box, its most probable price and that price's probability. The images are validation rows of the first
fold: on the left the first right predictions, on the right the first wrong ones.

Example: python -m pipeline.picture price_sum-fast items.png
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.special import softmax

from features.items.connected_parts import Box
from features.items.locating import locate_items
from pipeline.running.backend import keras  # before the modules that import Keras directly
from pipeline.storage import paths

# isort: split
from models.parts.sums import PriceSums
from pipeline.config.schema import Member, Params, load_params
from pipeline.running.stage import member_of, one_sentence
from pipeline.running.usage import parser_of
from pipeline.storage.files import BadInput, writing
from pipeline.storage.folds import check_folds
from pipeline.storage.task_data import TaskData
from pipeline.storage.tuned_options import load_tuned
from pipeline.training.batches import PredictionBatches
from pipeline.training.network import PREDICTION_BATCH, load_model

FOLD, EXAMINED_ROWS, TILES = 0, 1000, 4  # tiles in a column
LEAST_SIDE_PIXELS = 190  # size of an enlarged image, at least
CAPTION_PIXELS, MARGIN_PIXELS, TEXT_PIXELS = 26, 12, 16
BOX, RIGHT, WRONG = "#35d0ff", "black", "#c00000"


@dataclass(frozen=True)
class Item:
    """A model's prediction for an item."""

    box: Box
    price: int
    probability: float  # of that price


@dataclass(frozen=True)
class Prediction:
    """An image and a model's prediction for it."""

    image: np.ndarray  # uint8 (height, width, channels)
    items: list[Item]
    label: int
    predicted_label: int
    probability: float  # of the predicted sum


def validation_predictions(params: Params, key: str) -> list[Prediction]:
    """Return the predictions of the first fold's model for the first rows of its validation fold.

    Raises:
        BadInput: the member has no items, or its models are missing or were trained on other folds.
    """
    data = TaskData(member_of(params, key).task)
    member = load_tuned(data.task, key)
    if member.input != "items" and member.head != "grid":
        raise BadInput(f"{paths.PARAMS}: members.{key} predicts no items, expected 'input: items' or 'head: grid'")
    check_folds(data.task, key)
    rows = np.flatnonzero(data.folds == FOLD)[:EXAMINED_ROWS]
    images, labels = data.images("train")[rows], data.labels[rows]
    model = load_model(paths.models(data.task, key) / f"fold-{FOLD}.keras")
    batches = PredictionBatches(data.images("train", member.input), rows, PREDICTION_BATCH)
    sums = next(layer for layer in model.layers if isinstance(layer, PriceSums))
    logits = keras.Model(model.input, [sums.input, sums.output]).predict(batches, verbose=0)
    kinds, chances = (softmax(outputs, axis=-1) for outputs in logits)
    items = _items(member, data.items, model, images, kinds)
    classes, best = data.classes, chances.argmax(axis=1)
    return [
        Prediction(image, image_items, classes[label], classes[place], float(chance[place]))
        for image, image_items, label, place, chance in zip(images, items, labels, best, chances, strict=True)
    ]


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


def draw(predictions: list[Prediction]) -> Image.Image:
    """Return the picture: a column of right predictions, and a column of wrong ones."""
    right = [prediction for prediction in predictions if prediction.predicted_label == prediction.label][:TILES]
    wrong = [prediction for prediction in predictions if prediction.predicted_label != prediction.label][:TILES]
    tiles = [
        (_tile(prediction), column, row)
        for column, part in enumerate((right, wrong))
        for row, prediction in enumerate(part)
    ]
    width, height = (side + MARGIN_PIXELS for side in tiles[0][0].size)
    page = Image.new("RGB", (2 * width + MARGIN_PIXELS, max(len(right), len(wrong)) * height + MARGIN_PIXELS), "white")
    for tile, column, row in tiles:
        page.paste(tile, (MARGIN_PIXELS + column * width, MARGIN_PIXELS + row * height))
    return page


def _tile(prediction: Prediction) -> Image.Image:
    """Return one enlarged image with its boxes, and a line below it."""
    height, width, channels = prediction.image.shape
    scale = max(1, round(LEAST_SIDE_PIXELS / min(height, width)))
    pixels = prediction.image if channels == 3 else prediction.image[..., 0]
    large = Image.fromarray(pixels).convert("RGB").resize((width * scale, height * scale), Image.Resampling.NEAREST)
    tile = Image.new("RGB", (large.width, large.height + CAPTION_PIXELS), "white")
    tile.paste(large)
    pen, font = ImageDraw.Draw(tile), ImageFont.load_default(TEXT_PIXELS)
    for item in prediction.items:
        top, left, bottom, right = (scale * side for side in item.box)
        pen.rectangle((left, top, right - 1, bottom - 1), outline=BOX, width=2)
        beside = top - TEXT_PIXELS - 4 if top > TEXT_PIXELS + 4 else top + 2
        text = f"{item.price} ({item.probability:.0%})"
        pen.text((left + 2, beside), text, fill=BOX, font=font, stroke_width=2, stroke_fill="black")
    colour = RIGHT if prediction.predicted_label == prediction.label else WRONG
    caption = f"sum {prediction.predicted_label} ({prediction.probability:.0%}), label {prediction.label}"
    pen.text((2, large.height + 3), caption, fill=colour, font=font)
    return tile


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = parser_of(__doc__)
    parser.add_argument("member", metavar="MEMBER", help="an entry under members in params.yaml, trained")
    parser.add_argument("file", metavar="FILE.png", type=Path)
    options = parser.parse_args(arguments)
    with one_sentence("picture"):
        predictions = validation_predictions(load_params(paths.PARAMS), options.member)
        with writing(options.file) as part:
            draw(predictions).save(part, format="PNG", optimize=True)
        right = sum(prediction.predicted_label == prediction.label for prediction in predictions)
        print(f"picture: {options.file}; {right} of {len(predictions)} validation images are right", flush=True)


if __name__ == "__main__":
    main()
