"""`python -m pipeline.explain MEMBER IMAGE OUT.png`: draw where a member sees evidence for its class of an image.

IMAGE is the id of a training or a test image, or an image file. Bright places raise the logit of the class (HiResCAM,
which for most networks is Grad-CAM). A training image is judged by the model that was not trained on it, other images
by the mean of the folds' models. If a training image has another label than the predicted one, a third tile shows the
evidence for its label.

Example: python -m pipeline.explain fashion-fast 17 heat.png
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from features.images.fitting import fit_channels
from features.images.pixels import pad
from features.labels.targets import probabilities
from pipeline.running.backend import keras  # before the modules that import Keras directly
from pipeline.storage import paths

# isort: split
from models.parts.evidence import with_gain
from pipeline.readers.images.decoding import decode
from pipeline.readers.raw import Form
from pipeline.running.stage import Member, Params, load_params, member_of, one_sentence, task_of
from pipeline.running.usage import parser_of
from pipeline.storage.files import BadInput, writing
from pipeline.storage.folds import check_folds
from pipeline.storage.task_data import TaskData
from pipeline.storage.tuned_options import load_tuned
from pipeline.training.batches import Inputs, with_columns
from pipeline.training.fold_jobs import ALL_ROWS
from pipeline.training.network import load_model, table_columns
from pipeline.training.slopes import slope
from pipeline.training.vectors import extraction_of, with_backbone

TILE_PIXELS, CAPTION_PIXELS, MARGIN_PIXELS, TEXT_PIXELS = 256, 24, 12, 15
HEAT = ((0, 0, 0), (190, 20, 40), (255, 150, 0), (255, 245, 160))  # from no evidence to the most


@dataclass(frozen=True)
class Picture:
    """An image of a task and the folds whose models judge it."""

    pixels: np.ndarray  # uint8 (height, width, channels), as the network gets them
    models: list[str]  # names of files without suffix
    label: int | None = None  # the class, if there is one that is known
    columns: np.ndarray | None = None  # float32 (columns,) of a table, if the member joins them


@dataclass(frozen=True)
class Evidence:
    """A class with its mean probability and the places that speak for it."""

    name: str
    probability: float
    heat: np.ndarray  # float (height, width) of the image, 0..1


def explain(params: Params, key: str, image: str) -> tuple[Picture, list[Evidence]]:
    """Return the image and the evidence for the predicted class and, if it is another one, for the label.

    Raises:
        BadInput: there is no such image, the member's models are missing or were trained on other folds, or its input
            is items.
    """
    data = TaskData(member_of(params, key).task)
    member = load_tuned(data.task, key)
    if member.input != "images":
        raise BadInput(f"{paths.PARAMS}: members.{key}.input is {member.input!r}, expected 'images' for a heat map")
    check_folds(data.task, key)
    on_all = [ALL_ROWS] if member.training.train_on_all else []
    models_of_others = on_all or [f"fold-{fold}" for fold in range(data.fold_count)]
    picture = find_picture(params, data, member, image, models_of_others)
    models = [load_model(paths.models(data.task, key) / f"{name}.keras") for name in picture.models]
    if member.architecture == "features":
        height, width, channels = picture.pixels.shape
        models = [with_backbone(model, (height, width, channels), extraction_of(member)) for model in models]
    columns = None if picture.columns is None else picture.columns[None]
    inputs = with_columns(picture.pixels[None], columns, np.array([0]))
    shares = np.mean([probabilities(m.predict(inputs, verbose=0), data.has_label_sets)[0] for m in models], axis=0)
    best = int(shares.argmax())
    places = [best] if picture.label in (None, best) else [best, picture.label]
    return picture, [
        Evidence(str(data.classes[place]), float(shares[place]), heat_map(models, inputs, place)) for place in places
    ]


def find_picture(params: Params, data: TaskData, member: Member, image: str, models: list[str]) -> Picture:
    """Return the image with that id, or in that file. A file has no columns, so all of them are missing.

    `models` judge an image on which none of the folds' models was trained.

    Raises:
        BadInput: there is no such image.
    """
    for split, ids in (("train", data.train_ids), ("test", data.test_ids)):
        rows = np.flatnonzero(ids.astype(str) == image)
        if len(rows):
            row, table = int(rows[0]), table_columns(member, data, split)
            pixels, values = np.asarray(data.images(split)[row]), None if table is None else table[row]
            if split == "test":
                return Picture(pixels, models, columns=values)
            label = None if data.has_label_sets else int(data.labels[row])
            return Picture(pixels, [f"fold-{max(0, data.folds[row])}"], label, values)
    path = Path(image)
    if not path.exists():
        examples = f"{data.train_ids[0]} or {data.test_ids[0]}"
        raise BadInput(f"{image}: neither a file nor an id of an image of {data.task}, such as {examples}")
    table = table_columns(member, data, "test")
    missing = None if table is None else np.full(table.shape[1], np.nan, np.float32)
    return Picture(_pixels_of_file(params, data, path), models, columns=missing)


def _pixels_of_file(params: Params, data: TaskData, path: Path) -> np.ndarray:
    """Return an image file as the task's stages `ingest` and `prepare` would."""
    task, (height, width, channels) = task_of(params, data.task), data.images("train").shape[1:]
    size = task.prepare.resize_pixels or (task.ingest.image or (height, width))[:2]
    form = Form(size, background=task.ingest.background, fit=task.ingest.resize, channels=channels)
    pixels = decode(path, form, channels)[None]
    if task.prepare.pad_pixels is not None:
        pixels = pad(pixels, task.prepare.pad_pixels)
    return pixels[0]


def heat_map(models: list[keras.Model], inputs: Inputs, place: int) -> np.ndarray:
    """Return the mean evidence of the models for a class, float (height, width) of the image, from 0 to 1.

    Places that speak against the class are 0. Without any evidence, all are.

    Args:
        models: from images to logits.
        inputs: of the models, for one image: uint8 (1, height, width, channels), and its columns if they have any.
        place: of the class among the logits.
    """
    size = (inputs if isinstance(inputs, np.ndarray) else inputs[0]).shape[1:3]
    heat = np.zeros(size)
    for model in models:
        model_with_gain, gain = with_gain(model)
        evidence = slope(model_with_gain, gain.gain, inputs, place)[0]
        heat += fit_channels(evidence, size, "stretch", "black")[..., 0]
    return np.maximum(heat, 0) / max(heat.max(), 1e-12)


def draw(picture: Picture, evidence: list[Evidence]) -> Image.Image:
    """Return the image, enlarged, and beside it a tile for each class."""
    height, width, channels = picture.pixels.shape
    scale = max(1, round(TILE_PIXELS / max(height, width)))
    size = (width * scale, height * scale)
    pixels = picture.pixels if channels == 3 else np.repeat(picture.pixels[..., :1], 3, axis=2)
    plain = Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)
    tiles = [(plain, "the image")] + [
        (_heated(plain, item.heat), f"{item.name} {item.probability:.0%}") for item in evidence
    ]
    step = (size[0] + MARGIN_PIXELS, size[1] + CAPTION_PIXELS + 2 * MARGIN_PIXELS)
    page = Image.new("RGB", (step[0] * len(tiles) + MARGIN_PIXELS, step[1]), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(TEXT_PIXELS)
    for number, (tile, caption) in enumerate(tiles):
        left = MARGIN_PIXELS + number * step[0]
        page.paste(tile, (left, MARGIN_PIXELS))
        pen.text((left, MARGIN_PIXELS + size[1] + 4), caption, fill="black", font=font)
    return page


def _heated(plain: Image.Image, heat: np.ndarray) -> Image.Image:
    """Return a grey version of the image with the heat in colours on it."""
    large = np.asarray(Image.fromarray(heat.astype(np.float32)).resize(plain.size, Image.Resampling.BILINEAR))
    stops = np.linspace(0, 1, len(HEAT))
    colours = np.stack([np.interp(large, stops, channel) for channel in np.array(HEAT, float).T], axis=-1)
    grey = np.asarray(plain.convert("L").convert("RGB"), float)
    share = 0.75 * np.sqrt(large)[..., None]
    return Image.fromarray(((1 - share) * grey + share * colours).round().astype(np.uint8))


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = parser_of(__doc__)
    parser.add_argument("member", metavar="MEMBER", help="an entry under members or students in params.yaml, trained")
    parser.add_argument("image", metavar="IMAGE", help="an id, or an image file")
    parser.add_argument("file", metavar="OUT.png", type=Path)
    options = parser.parse_args(arguments)
    with one_sentence("explain"):
        picture, evidence = explain(load_params(paths.PARAMS), options.member, options.image)
        with writing(options.file) as part:
            draw(picture, evidence).save(part, format="PNG", optimize=True)
        classes = "; ".join(f"{item.name} with {item.probability:.1%}" for item in evidence)
        print(f"explain: {options.file}; {classes}, by {', '.join(picture.models)}", flush=True)


if __name__ == "__main__":
    main()
