"""`python -m pipeline.picture MEMBER FILE.png`: draw a member's predictions of items, if labels are sums of items.

Each item has a box, its most probable price and that price's probability. The images are validation rows of the first
fold: on the left the first right predictions, on the right the first wrong ones.

Example: python -m pipeline.picture price_sum-fast items.png
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.running.backend import keras  # noqa: F401  before the modules that import Keras directly
from pipeline.storage import paths

# isort: split
from pipeline.config.schema import Params, load_params
from pipeline.running.stage import member_of, one_sentence
from pipeline.running.usage import parser_of
from pipeline.storage.files import BadInput, writing
from pipeline.storage.folds import check_folds
from pipeline.storage.task_data import TaskData
from pipeline.storage.tuned_options import load_tuned
from pipeline.training.item_prices import Item, has_items, item_prices
from pipeline.training.network import load_model

FOLD, EXAMINED_ROWS, TILES = 0, 1000, 4  # tiles in a column
LEAST_SIDE_PIXELS = 190  # size of an enlarged image, at least
CAPTION_PIXELS, MARGIN_PIXELS, TEXT_PIXELS = 26, 12, 16
BOX, RIGHT, WRONG = "#35d0ff", "black", "#c00000"


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
    if not has_items(member):
        raise BadInput(f"{paths.PARAMS}: members.{key} predicts no items, expected 'input: items' or 'head: grid'")
    check_folds(data.task, key)
    rows = np.flatnonzero(data.folds == FOLD)[:EXAMINED_ROWS]
    images, labels = data.images("train")[rows], data.labels[rows]
    model = load_model(paths.models(data.task, key) / f"fold-{FOLD}.keras")
    items, chances = item_prices(member, data, model, rows)
    classes, best = data.classes, chances.argmax(axis=1)
    return [
        Prediction(image, image_items, classes[label], classes[place], float(chance[place]))
        for image, image_items, label, place, chance in zip(images, items, labels, best, chances, strict=True)
    ]


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
