"""What does each ingredient of fine-tuning bring on real photos? MobileNetV2 on ants and bees.

    nice python -m benchmarks.fine_tuning ants-bees.tar WORK [VARIANT ...]

A run trains on 244 of the 396 photos, drawn by the seed, and judges the last epoch on the other 152. Photos are
squares of 128x128, and the network takes 96x96. Variants "at equal time" have as many epochs as cost what six epochs
of the whole network cost, counted in arithmetic. A run takes about a minute on one core. Runs that WORK contains are
skipped.
"""

import sys
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from pipeline.running.backend import keras  # noqa: F401  before what imports Keras itself

# isort: split
from benchmarks import results, runs
from benchmarks.leaks import read_pictures
from pipeline.config.schema import Member, load_params
from pipeline.ingest import ingest
from pipeline.prepare import prepare
from pipeline.roster import roster
from pipeline.split import split
from pipeline.storage import paths
from pipeline.storage.task_data import TaskData
from pipeline.training.fold import FoldJob, load_history, train_fold
from pipeline.training.network import size_of, with_size
from pipeline.training.phases import phases, stretches

TASK, CLASSES, SEEDS, TRAINING_PHOTOS = "photos", ("ants", "bees"), 2, 244
STORED_PIXELS, NETWORK_PIXELS = 128, 96
ALL = 10_000  # layers
BASE = {"epochs": 6, "batch_size": 32, "optimiser": "adamw", "weight_decay": 0.01, "monitor": "none"}
WARM_UP = {"frozen_epochs": 2, "learning_rate": 2e-3, "tuned_layers": ALL, "tuned_learning_rate": 3e-4}
SLOW_START = {**WARM_UP, "first_layer_rate_share": 0.1}
CROPS = {"flip": True, "area_crop_share": 0.65}
COLOURS = {"brightness_share": 0.2, "contrast_share": 0.2, "saturation_share": 0.2, "hue_share": 0.05}
VARIANTS: dict[str, dict[str, Any]] = {
    "from nothing": {"weights": None, "learning_rate": 2e-3},
    "last layer": {"learning_rate": 2e-3, "frozen_epochs": 6},
    "all layers": {"learning_rate": 3e-4},
    "warm-up": WARM_UP,
    "warm-up, slow first layers": SLOW_START,
    "warm-up, slow first layers, at equal time": {**SLOW_START, "epochs": 7},
    "warm-up, thawing": {**WARM_UP, "tuned_layers": [10, ALL]},
    "warm-up, 64x64 first": {**WARM_UP, "progressive_pixels": [[64, 64]]},
    "warm-up, 64x64 first, at equal time": {**WARM_UP, "progressive_pixels": [[64, 64]], "epochs": 9},
    "warm-up, slow first layers, clipping at 1": {**SLOW_START, "global_clipnorm": 1.0},
    "warm-up, slow first layers, crops": {**SLOW_START, "augment": CROPS},
    "warm-up, slow first layers, crops and colours": {**SLOW_START, "augment": {**CROPS, **COLOURS}},
    "warm-up, slow first layers, TrivialAugment": {**SLOW_START, "augment": {"flip": True, "trivial_augment": True}},
    "last layer, at equal time": {"learning_rate": 2e-3, "frozen_epochs": 18, "epochs": 18},
}


def main(archive: Path, work: Path, variants: list[str]) -> None:
    """Train the missing runs, and write the rows."""
    work.mkdir(parents=True, exist_ok=True)
    with chdir(work):
        if not paths.folds(TASK).exists():
            _write_task(archive)
        rows = runs.run_all(Path("runs.jsonl"), variants or VARIANTS, SEEDS, _figures)
    results.write("fine_tuning", [_row(name, seeds) for name, seeds in rows.groupby("variant", sort=False)])


def _row(name: str, seeds: pd.DataFrame) -> dict[str, Any]:
    figures = results.mean_and_error(seeds["accuracy"])
    if len(seeds) == 1:  # the standard error over the judged photos
        share = figures["accuracy"]
        figures["standard_error"] = (share * (1 - share) / seeds["photos"].iloc[0]) ** 0.5
    return {
        "task": "ants and bees",
        "member": name,
        "rows": "held out",
        "views": 1,
        "epoch_selection": "last epoch",
        "epochs": _member(name).training.epochs,
        "pflop": _pflop(_member(name)),
        "seconds": seeds["seconds"].mean(),
        "log_loss": seeds["log_loss"].mean(),
        **figures,
    }


def _write_task(archive: Path) -> None:
    """Write the photos as a task's raw files, and run its first stages."""
    photos = list(read_pictures(archive, CLASSES))
    for part, images in (("train", photos), ("test", photos[:2])):
        Path("raw", part).mkdir(parents=True)
        for row, (_, photo) in enumerate(images):
            _square(photo).save(Path("raw", part, f"{row}.png"))
    pd.DataFrame({"id": range(len(photos)), "label": [label for label, _ in photos]}).to_csv(
        "raw/train.csv", index=False
    )
    pd.DataFrame({"id": range(2), "label": CLASSES[0]}).to_csv("raw/sample.csv", index=False)
    files = {"train": {"images": "train", "labels": "train.csv"}, "test": {"images": "test"}}
    entry = {"ingest": {"folder": "raw", **files, "sample_submission": "sample.csv"}, "split": {"near_copies": False}}
    members = {"m": {"task": TASK, "architecture": "fast"}}
    paths.PARAMS.write_text(yaml.safe_dump({"tasks": {TASK: entry}, "members": members}))
    params = load_params(paths.PARAMS)
    roster(params)
    for stage in (ingest, prepare, split):
        stage(params, TASK)


def _square(photo: Image.Image) -> Image.Image:
    width, height = photo.size
    left, top = (width - min(photo.size)) / 2, (height - min(photo.size)) / 2
    box = (left, top, width - left, height - top)
    return photo.resize((STORED_PIXELS, STORED_PIXELS), Image.Resampling.BICUBIC, box=box)


def _member(name: str) -> Member:
    settings = dict(VARIANTS[name])
    options = {"backbone": "torch_mobilenetv2", "weights": settings.pop("weights", "imagenet")}
    augment = settings.pop("augment", {"flip": True})
    tree = {"task": TASK, "architecture": "pretrained", "options": options, "augment": augment}
    size = [NETWORK_PIXELS, NETWORK_PIXELS]
    return Member.model_validate({**tree, "normalise": "unit", "resize_pixels": size, "training": {**BASE, **settings}})


def _figures(name: str, seed: int) -> dict[str, float]:
    member, order = _member(name), np.random.default_rng(seed).permutation(len(TaskData(TASK).labels))
    job = FoldJob(
        member=member,
        training_rows=np.sort(order[:TRAINING_PHOTOS]),
        validation_rows=np.sort(order[TRAINING_PHOTOS:]),
        fold=seed,
        epochs=member.training.epochs,
        title=f"{name}, seed {seed}",
        folder=Path("folds", name, str(seed)),
    )
    train_fold(job)
    history = load_history(job.folder)
    last = history[-1]
    seconds = sum(row["seconds"] for row in history)
    photos = len(job.validation_rows)
    return {"accuracy": last["val_accuracy"], "log_loss": last["val_loss"], "seconds": seconds, "photos": photos}


def _pflop(member: Member) -> float:
    """Return the arithmetic of training. A frozen backbone has a forward pass alone, which is a third of it."""
    training, total = member.training, 0
    for phase in phases(training, training.epochs):
        start = phase.start_epoch
        for size, stop in stretches(training, phase, training.epochs):
            passes = 1 if phase.tuned_layers == 0 else 3
            flops = size_of(member if size is None else with_size(member, size))["flops"]
            total += passes * (stop - start) * TRAINING_PHOTOS * flops
            start = stop
    return total / 1e15


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]), sys.argv[3:])
