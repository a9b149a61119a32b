"""Competitions whose labels are in COCO's JSON."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tests.competitions.pictures import SIDE, cycle, write_picture
from tests.competitions.tables import TEST_ROWS, TRAIN_ROWS, one_column, with_sample

FIRST_CATEGORY = 10


@dataclass(frozen=True)
class Part:
    """The files of a split."""

    folder: str  # of the images
    metadata: str
    prefix: str = ""  # of the names in the metadata, which are relative to the folder
    first_id: int = 0


@dataclass(frozen=True)
class Coco:
    """What a competition's files are called."""

    train: Part
    test: Part
    answer: tuple[str, str]  # columns of the sample submission
    rare: int = 0  # classes of one training image
    sample: str = "sample_submission.csv"
    has_plain_test: bool = False  # whether the test metadata are a list without `images`

    def __call__(self, folder: Path, rng: np.random.Generator) -> pd.DataFrame:
        """Write the files and return the answers."""
        kinds, truth = [*cycle(TRAIN_ROWS, 4), *range(4, 4 + self.rare)], cycle(TEST_ROWS, 4)
        train, test = _images(folder, self.train, kinds, rng), _images(folder, self.test, truth, rng)
        annotations = [
            {"id": row, "image_id": image["id"], "category_id": FIRST_CATEGORY + kind}
            for row, (image, kind) in enumerate(zip(train, kinds, strict=True))
        ]
        categories = [{"id": FIRST_CATEGORY + kind, "name": f"species {kind}"} for kind in range(4 + self.rare)]
        tree = {"images": train, "annotations": annotations, "categories": categories}
        _write(tree, folder / self.train.metadata)
        plain = [{"image_id": image["id"], "file_name": image["file_name"]} for image in test]
        _write(plain if self.has_plain_test else {"images": test}, folder / self.test.metadata)
        answers = one_column(*self.answer, lambda kind: FIRST_CATEGORY + kind)([image["id"] for image in test], truth)
        return with_sample(answers, folder / self.sample, 0)


def _images(folder: Path, part: Part, kinds: list[int], rng: np.random.Generator) -> list[dict]:
    images = []
    for number, kind in enumerate(kinds, part.first_id):
        name = f"{part.prefix}{number // 100:03d}/{number % 100:02d}/{number}.jpg"
        write_picture(folder / part.folder / name, kind, rng)
        images.append({"id": number, "file_name": name, "width": SIDE, "height": SIDE, "location": number % 6})
    return images


def _write(tree: object, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree))


HERBARIUM = ("Id", "Predicted")
WRITERS = {
    "herbarium-2020-fgvc7": Coco(
        Part("nybg2020/train", "nybg2020/train/metadata.json", "images/"),
        Part("nybg2020/test", "nybg2020/test/metadata.json", "images/"),
        HERBARIUM,
        rare=1,
    ),
    "herbarium-2021-fgvc8": Coco(
        Part("train", "train/metadata.json", "images/"),
        Part("test", "test/metadata.json", "images/"),
        HERBARIUM,
        rare=1,
    ),
    "herbarium-2022-fgvc9": Coco(
        Part("train_images", "train_metadata.json"),
        Part("test_images", "test_metadata.json"),
        HERBARIUM,
        rare=1,
        has_plain_test=True,
    ),
    "inaturalist-2019-fgvc6": Coco(
        Part("", "train2019.json", "train_val2019/Plants/"),
        Part("", "test2019.json", "test2019/", 268_243),
        ("id", "predicted"),
        sample="kaggle_sample_submission.csv",
    ),
    "iwildcam-2020-fgvc7": Coco(
        Part("train", "iwildcam2020_train_annotations.json"),
        Part("test", "iwildcam2020_test_information.json", first_id=700),
        ("Id", "Category"),
    ),
}
