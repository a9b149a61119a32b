"""Competitions of two folders of images, a CSV of labels and a sample submission: half of all."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.competitions.pictures import cycle, names, sets, write_picture, write_pictures
from tests.competitions.tables import (
    TEST_ROWS,
    TRAIN_ROWS,
    indicators,
    one_column,
    set_cells,
    with_sample,
    write_csv,
)

Table = Callable[[Sequence, Sequence], pd.DataFrame]  # of ids and kinds


@dataclass(frozen=True)
class Photos:
    """What a competition's files are called, and what its tables say. An id fills {} in a path."""

    answers: Table
    sample: object  # each value of the sample submission
    ids: tuple[list, list]  # of training and test images
    classes: int
    paths: tuple[str | Callable[[Any, int], str], str] = ("train/{}.jpg", "test/{}.jpg")
    labels: Table | None = None  # the label file's table; None: that of the answers
    label_file: str = "train.csv"
    rare: int = 0  # more classes, of one training image each
    has_sets: bool = False
    more: dict[str, Callable[[int], object]] = field(default_factory=dict)  # columns of both tables, by row
    only_train: dict[str, Callable[[int], object]] = field(default_factory=dict)  # columns of the label file, by row
    test_file: str | None = None  # a table of test images without answers
    mixed: bool = True  # whether sizes differ
    mode: str = "RGB"
    files: dict[str, str] = field(default_factory=dict)  # that say no more

    def __call__(self, folder: Path, rng: np.random.Generator) -> pd.DataFrame:
        """Write the files and return the answers."""
        choose = partial(sets, rng=rng) if self.has_sets else cycle
        rows = len(self.ids[0]) - self.rare
        kinds = [*choose(rows, self.classes), *range(self.classes, self.classes + self.rare)]
        truth = choose(len(self.ids[1]), self.classes)
        for image_id, kind in zip(self.ids[0], kinds, strict=True):
            path = self.paths[0].format(image_id) if isinstance(self.paths[0], str) else self.paths[0](image_id, kind)
            write_picture(folder / path, kind, rng, self.mixed, self.mode)
        write_pictures(folder, self.paths[1], self.ids[1], truth, rng, self.mixed, self.mode)
        labels = (self.labels or self.answers)(self.ids[0], kinds)
        write_csv(_with(self.more | self.only_train, labels), folder / self.label_file)
        answers = self.answers(self.ids[1], truth)
        if self.test_file is not None:
            write_csv(_with(self.more, answers.iloc[:, :1]), folder / self.test_file)
        for name, text in self.files.items():
            (folder / name).write_text(text)
        return with_sample(answers, folder / "sample_submission.csv", self.sample)


def _with(columns: dict[str, Callable[[int], object]], table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{name: [value(row) for row in range(len(table))] for name, value in columns.items()})


def numbers(first: int, step: int = 1, text: str = "{}") -> tuple[list, list]:
    """Return ids of training and test images that count up, the latter after the former."""
    ids = [text.format(first + step * row) for row in range(TRAIN_ROWS + TEST_ROWS)]
    return ids[:TRAIN_ROWS], ids[TRAIN_ROWS:]


def digests(train: str, test: str, suffix: str = "") -> tuple[list, list]:
    """Return unlike ids of training and test images that begin alike."""
    return names(train, TRAIN_ROWS, suffix=suffix), names(test, TEST_ROWS, 99, suffix)


BREEDS = ("affenpinscher", "afghan_hound", "african_hunting_dog", "airedale")
HOTELS = (36363, 53586, 18807, 64314, 60181, 3994)
LEAVES = ("complex", "frog_eye_leaf_spot", "healthy", "rust", "scab")
PADDY = ("bacterial_leaf_blight", "blast", "hispa", "normal")
PLANT = ("healthy", "multiple_diseases", "rust", "scab")
RANZCR = ("ETT - Abnormal", "ETT - Borderline", "ETT - Normal", "NGT - Abnormal", "Swan Ganz Catheter Present")
WHALES = ("new_whale", "w_1287fbc", "w_98baff9", "w_7554f44", "w_1eafe46", "w_fe49bc4", "w_23a388d")

WRITERS = {
    "aerial-cactus-identification": Photos(
        one_column("id", "has_cactus", lambda kind: int(kind < 3)),
        sample=0.5,
        ids=digests("", "", ".jpg"),
        classes=4,
        paths=("train/{}", "test/{}"),
        mixed=False,
    ),
    "aptos2019-blindness-detection": Photos(
        one_column("id_code", "diagnosis"),
        sample=0,
        ids=digests("", ""),
        classes=5,
        paths=("train_images/{}.png", "test_images/{}.png"),
        test_file="test.csv",
    ),
    "cassava-leaf-disease-classification": Photos(
        one_column("image_id", "label"),
        sample=4,
        ids=numbers(1_000_015_157, 7, "{}.jpg"),
        classes=5,
        paths=("train_images/{}", "test_images/{}"),
        mixed=False,
        files={"label_num_to_disease_map.json": json.dumps({str(kind): f"disease {kind}" for kind in range(5)})},
    ),
    "dog-breed-identification": Photos(
        indicators("id", BREEDS),
        sample=1 / 120,
        ids=digests("00", "01"),
        classes=4,
        labels=one_column("id", "breed", BREEDS.__getitem__),
        label_file="labels.csv",
    ),
    "histopathologic-cancer-detection": Photos(
        one_column("id", "label"),
        sample=0,
        ids=digests("f", "0"),
        classes=2,
        paths=("train/{}.tif", "test/{}.tif"),
        label_file="train_labels.csv",
        mixed=False,
    ),
    "hotel-id-2021-fgvc8": Photos(
        one_column("image", "hotel_id", HOTELS.__getitem__),
        sample="36363 53586 18807 64314 60181",
        ids=digests("8", "9", ".jpg"),
        classes=6,
        paths=(lambda name, kind: f"train_images/{kind % 3}/{name}", "test_images/{}"),
        more={"chain": lambda row: row % 3, "timestamp": lambda _: "2018-04-09 18:35:31"},
    ),
    "imet-2020-fgvc7": Photos(
        set_cells("id", "attribute_ids", range(448, 453)),
        sample="448 449 450",
        ids=digests("1", "2"),
        classes=5,
        paths=("train/{}.png", "test/{}.png"),
        has_sets=True,
        files={"labels.csv": "attribute_id,attribute_name\n" + "".join(f"{448 + k},country::{k}\n" for k in range(5))},
    ),
    "invasive-species-monitoring": Photos(  # training and test images have the same ids
        one_column("name", "invasive"),
        sample=0.5,
        ids=([*range(1, TRAIN_ROWS + 1)], [*range(1, TEST_ROWS + 1)]),
        classes=2,
        label_file="train_labels.csv",
        mixed=False,
    ),
    "paddy-disease-classification": Photos(
        one_column("image_id", "label", PADDY.__getitem__),
        sample="",
        ids=numbers(100_001, text="{}.jpg"),
        classes=4,
        paths=(lambda name, kind: f"train_images/{PADDY[kind]}/{name}", "test_images/{}"),
        more={"variety": lambda _: "ADT45", "age": lambda _: 45},
        mixed=False,
    ),
    "plant-pathology-2020-fgvc7": Photos(
        indicators("image_id", PLANT),
        sample=0.25,
        ids=([f"Train_{row}" for row in range(TRAIN_ROWS)], [f"Test_{row}" for row in range(TEST_ROWS)]),
        classes=4,
        paths=("images/{}.jpg", "images/{}.jpg"),
        test_file="test.csv",
        mixed=False,
    ),
    "plant-pathology-2021-fgvc8": Photos(
        set_cells("image", "labels", LEAVES),
        sample="healthy",
        ids=digests("8", "9", ".jpg"),
        classes=5,
        paths=("train_images/{}", "test_images/{}"),
        has_sets=True,
    ),
    "ranzcr-clip-catheter-line-classification": Photos(
        indicators("StudyInstanceUID", RANZCR),
        sample=0,
        ids=numbers(26_697_628_953_273_228_189_375_557_799_582_420_561, text="1.2.826.0.1.3680043.8.498.{}"),
        classes=5,
        has_sets=True,
        more={"PatientID": lambda row: f"ec89415d{row // 3:02x}"},
        mode="L",
    ),
    "siim-isic-melanoma-classification": Photos(
        one_column("image_name", "target", lambda kind: int(kind == 3)),
        sample=0,
        ids=numbers(15_719, 7, "ISIC_{:07d}"),
        classes=4,
        paths=("jpeg/train/{}.jpg", "jpeg/test/{}.jpg"),
        more={
            "patient_id": lambda row: f"IP_{7_279_968 + row // 3}",
            "sex": lambda row: ("male", "female", "")[row % 3],
            "age_approx": lambda row: ("45.0", "50.0", "")[row // 2 % 3],
            "anatom_site_general_challenge": lambda row: ("torso", "head/neck", "")[row // 5 % 3],
        },
        only_train={"benign_malignant": lambda row: "malignant" if row % 4 == 3 else "benign"},
        test_file="test.csv",
    ),
    "whale-categorization-playground": Photos(
        one_column("Image", "Id", WHALES.__getitem__),
        sample=" ".join(WHALES[:5]),
        ids=digests("0", "1", ".jpg"),
        classes=5,
        rare=2,
        paths=("train/{}", "test/{}"),
    ),
}
