"""Do scores out of fold hold for new patients and fresh images? Writes `benchmarks/results/leaks.csv`.

    python -m benchmarks.leaks FOLDER    # with ants-bees.tar and cifar-10-jpeg.tar.xz

patients: 36 photos of ants and bees are the patients, and ten random crops of a photo (64x64) are the patient's images.
near_copies: 400 pictures of CIFAR-10 (cars and horses) of 32x32, each with four near-copies: JPEG, brightness, noise,
and a shift by one pixel. Folds come from Podium's stages ingest, prepare and split. A support vector machine on the
pixels stands for a network. It is scored out of fold and, trained on all rows, on photos and pictures that are not
among them.
"""

import io
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from benchmarks import results
from pipeline.config.schema import load_params
from pipeline.ingest import ingest
from pipeline.prepare import prepare
from pipeline.split import split
from pipeline.storage import paths
from pipeline.storage.task_data import TaskData

SEEDS, FOLDS = 5, 5
PATIENTS, IMAGES_PER_PATIENT, CROP_PIXELS, CROP_SHARE = 36, 10, 64, 0.7
PICTURES = 400
MOST_FRESH = 300


@dataclass(frozen=True)
class Set:
    """Training images with their groups, and fresh images of other groups."""

    images: list[Image.Image]
    labels: list[str]
    groups: list[int]
    fresh_images: list[Image.Image]
    fresh_labels: list[str]


def main(folder: Path) -> None:
    """Measure both sets with and without groups, and write the rows."""
    photos = list(read_pictures(folder / "ants-bees.tar", ("ants", "bees")))
    pictures = list(read_pictures(folder / "cifar-10-jpeg.tar.xz", ("automobile", "horse"), 2000))
    scores_by_rows: dict[tuple[str, str, str], list[float]] = {}
    for seed in range(SEEDS):
        for task, data, fresh, key in (
            ("patients", _patients(photos, seed), "new patients", {"group_column": "patient"}),
            ("near_copies", _near_copies(pictures, seed), "fresh images", {"near_copies": True}),
        ):
            for setting, options in (("no groups", {"near_copies": False}), (_flow(key), key)):
                score = _out_of_fold(data, {"count": FOLDS, "seed": seed, **options})
                scores_by_rows.setdefault((task, setting, "out of fold"), []).append(score)
            scores_by_rows.setdefault((task, "no groups", fresh), []).append(_on_fresh_images(data))
        print({key: f"{np.mean(scores):.4f}" for key, scores in scores_by_rows.items()}, flush=True)
    rows = [
        {"task": task, "member": "SVC", "setting": setting, "rows": kind, **results.mean_and_error(scores)}
        for (task, setting, kind), scores in scores_by_rows.items()
    ]
    results.write("leaks", rows)


def _flow(options: dict[str, Any]) -> str:
    return yaml.safe_dump(options, default_flow_style=True).strip().strip("{}")


def read_pictures(
    path: Path, classes: tuple[str, ...], most: int | None = None, part: str = ""
) -> Iterator[tuple[str, Image.Image]]:
    """Yield class and image of the files in a tar, with at most `most` of each class, of the folder `part` alone."""
    counts = dict.fromkeys(classes, 0)
    with tarfile.open(path) as archive:
        for member in archive:
            label = Path(member.name).parent.name
            is_picture = label in classes and member.name.endswith(".jpg") and part in ("", Path(member.name).parts[0])
            if is_picture and (most is None or counts[label] < most):
                counts[label] += 1
                yield label, Image.open(io.BytesIO(archive.extractfile(member).read())).convert("RGB")
            if most is not None and min(counts.values()) >= most:
                return


def _patients(photos: list[tuple[str, Image.Image]], seed: int) -> Set:
    rng = np.random.default_rng(seed)
    order = _balanced(photos, rng)
    training, fresh = order[:PATIENTS], order[PATIENTS : PATIENTS + MOST_FRESH]
    images = [_crop(photos[row][1], rng) for row in training for _ in range(IMAGES_PER_PATIENT)]
    labels = [photos[row][0] for row in training for _ in range(IMAGES_PER_PATIENT)]
    groups = [row for row in training for _ in range(IMAGES_PER_PATIENT)]
    return Set(images, labels, groups, [_crop(photos[row][1], rng) for row in fresh], [photos[row][0] for row in fresh])


def _near_copies(pictures: list[tuple[str, Image.Image]], seed: int) -> Set:
    rng = np.random.default_rng(seed)
    order = _balanced(pictures, rng)
    training, fresh = order[:PICTURES], order[PICTURES : PICTURES + 4 * MOST_FRESH]
    images = [copy for row in training for copy in (pictures[row][1], *_changed(pictures[row][1], rng))]
    labels = [pictures[row][0] for row in training for _ in range(5)]
    groups = [row for row in training for _ in range(5)]
    return Set(images, labels, groups, [pictures[row][1] for row in fresh], [pictures[row][0] for row in fresh])


def _balanced(images: list[tuple[str, Image.Image]], rng: np.random.Generator) -> list[int]:
    """Return rows in random order, the classes in turn."""
    labels = np.array([label for label, _ in images])
    columns = [rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    return [int(row) for rows in zip(*columns, strict=False) for row in rows]


def _crop(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    size = [int(CROP_SHARE * side) for side in photo.size]
    left, top = (int(rng.integers(0, side - part + 1)) for side, part in zip(photo.size, size, strict=True))
    return photo.resize((CROP_PIXELS, CROP_PIXELS), box=(left, top, left + size[0], top + size[1]))


def _changed(picture: Image.Image, rng: np.random.Generator) -> list[Image.Image]:
    stream, pixels = io.BytesIO(), np.asarray(picture, np.float32)
    picture.save(stream, "jpeg", quality=40)
    brighter = pixels * rng.uniform(0.8, 1.2) + rng.uniform(-15, 15)
    noisy = pixels + rng.normal(0, 8, pixels.shape)
    shifted = np.roll(pixels, int(rng.choice([-1, 1])), axis=int(rng.integers(2)))
    arrays = [np.clip(changed, 0, 255).astype(np.uint8) for changed in (brighter, noisy, shifted)]
    return [Image.open(stream).convert("RGB"), *map(Image.fromarray, arrays)]


def _out_of_fold(data: Set, options: dict[str, Any]) -> float:
    """Return the accuracy out of fold with the folds that Podium's stages write."""
    folds, rows = _folds(data, options)
    pixels, labels = _pixels(data.images)[rows], np.array(data.labels)[rows]
    right = np.zeros(len(folds), bool)
    for fold in range(FOLDS):
        model = _model().fit(pixels[folds != fold], labels[folds != fold])
        right[folds == fold] = model.predict(pixels[folds == fold]) == labels[folds == fold]
    return float(right[folds >= 0].mean())


def _on_fresh_images(data: Set) -> float:
    model = _model().fit(_pixels(data.images), data.labels)
    return float((model.predict(_pixels(data.fresh_images)) == np.array(data.fresh_labels)).mean())


def _model() -> Any:
    return make_pipeline(PCA(100, random_state=0), SVC(C=5))


def _pixels(images: list[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(image.resize((32, 32)), np.float32).ravel() / 255 for image in images])


def _folds(data: Set, options: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the fold (n,) of each training row of the task, and the image (n,) that it shows."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for part, images in (("train", data.images), ("test", data.fresh_images[:2])):
            Path("raw", part).mkdir(parents=True)
            for row, image in enumerate(images):
                image.save(Path("raw", part, f"{row}.png"))
        table = pd.DataFrame({"id": range(len(data.images)), "patient": data.groups, "label": data.labels})
        table.to_csv(Path("raw", "train.csv"), index=False)
        pd.DataFrame({"id": range(2), "label": data.labels[0]}).to_csv(Path("raw", "sample.csv"), index=False)
        files = {"train": {"images": "train", "labels": "train.csv"}, "test": {"images": "test"}}
        entry = {"ingest": {"folder": "raw", **files, "sample_submission": "sample.csv"}, "split": options}
        members = {"m": {"task": "leaks", "architecture": "fast"}}
        paths.PARAMS.write_text(yaml.safe_dump({"tasks": {"leaks": entry}, "members": members}))
        for run in (ingest, prepare, split):
            run(load_params(paths.PARAMS), "leaks")
        task = TaskData("leaks")
        return task.folds.copy(), task.train_ids.copy()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
