"""Measure ranks, repeated folds and soups on real pictures: writes `ranks.csv`, `repeats.csv` and `soups.csv`.

    FASHION_MNIST_DIR=<folder> python -m benchmarks.blending WORK cifar-10-jpeg.tar.xz

Each seed has other training images, and all test images of the set. Podium's stages train and combine the members in
WORK, where a killed run resumes. It takes about half an hour of one core.

ranks: shirts among clothes, and cats among photos, by ROC AUC. Each method combines three members of different kinds.
repeats: 2 000 clothes in five folds, repeated four times. The same number of models come from four seeds on the same
folds, and from a split into twenty folds.
soups: 3 000 photos of CIFAR-10 in three folds, with the best epoch, the greedy soup of the best five, the last epoch,
and the mean of the last five.
"""

import io
import sys
import tarfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from pipeline.running.backend import keras  # noqa: F401  before what imports Keras itself

# isort: split
from benchmarks import results
from features.labels.metrics.losses import log_loss
from features.labels.metrics.rankings import roc_auc
from features.labels.metrics.shares import accuracy
from pipeline import ensemble, predict, prepare, roster, split, train, tune
from pipeline.config.schema import Params, load_params
from pipeline.readers.image_sets import load_source
from pipeline.storage import paths
from pipeline.storage.files import load_json, save_array, save_json
from pipeline.storage.predictions import load_predictions, load_test_models

SEEDS, METHODS = 3, ("mean", "greedy", "convex", "rank")
SHIRT, CAT = 6, 3
FAST = {"architecture": "fast", "options": {"width": 0.25}, "training": {"epochs": 8, "learning_rate": 1e-2}}
KINDS = {
    "fast": FAST | {"training": FAST["training"] | {"label_smoothing": 0.1}},
    "resnet": {
        "architecture": "resnet",
        "options": {"stem_filters": 8, "filters": [8, 16]},
        "training": {"epochs": 8, "learning_rate": 5e-3},
    },
    "feedforward": {"architecture": "feedforward", "options": {"units": [128]}, "training": {"epochs": 8}},
}
SOUPS = {
    "best epoch": {},
    "greedy soup of the best five": {"soup_epochs": 5},
    "last epoch": {"monitor": "none"},
    "mean of the last five": {"monitor": "none", "soup_epochs": 5},
}
Pictures = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]  # train and test: images, labels


def main(work: Path, cifar: Path) -> None:
    """Measure all three, and write their rows."""
    source = load_source("fashion-mnist")
    clothes = ((source.train.pixels, source.train.labels), (source.test.pixels, source.test.labels))
    photos = read_photos(cifar)
    measured: dict[str, list[dict[str, Any]]] = {"ranks": [], "repeats": [], "soups": []}
    for seed in range(SEEDS):
        for task, pictures, positive in (("shirts", clothes, SHIRT), ("cats", photos, CAT)):
            measured["ranks"] += _ranks(work / f"{task}-{seed}", task, pictures, positive, seed)
        measured["repeats"] += _repeats(work / f"repeats-{seed}", clothes, seed)
        for schedule in ("constant", "one_cycle"):
            measured["soups"] += _soups(work / f"soups-{schedule}-{seed}", photos, schedule, seed)
    for question, rows in measured.items():
        table = pd.DataFrame(rows)
        keys = [name for name in ("task", "member", "setting", "rows") if name in table]
        groups = table.groupby(keys, sort=False)
        results.write(question, [dict(zip(keys, key, strict=True)) | _means(group) for key, group in groups])


def _means(group: pd.DataFrame) -> dict[str, Any]:
    shared: dict[str, Any] = {"seeds": len(group)}
    if "roc_auc" in group:
        return shared | {"roc_auc": group["roc_auc"].mean(), "roc_auc_error": group["roc_auc"].sem()}
    losses = {"log_loss": group["log_loss"].mean()} if group["log_loss"].notna().all() else {}
    return shared | results.mean_and_error(group["accuracy"]) | losses


def read_photos(path: Path) -> Pictures:
    """Return CIFAR-10 from its JPEGs, whose folders are the classes."""
    parts: dict[str, tuple[list[np.ndarray], list[str]]] = {"train": ([], []), "test": ([], [])}
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name.endswith((".jpg", ".jpeg")):
                *_, part, label, _ = Path(member.name).parts
                images, labels = parts["train" if part.startswith("train") else "test"]
                images.append(np.asarray(Image.open(io.BytesIO(archive.extractfile(member).read())).convert("RGB")))
                labels.append(label)
    classes = sorted(set(parts["train"][1]))
    first, second = (
        (np.stack(images), np.array([classes.index(label) for label in labels])) for images, labels in parts.values()
    )
    return first, second


def _ranks(work: Path, task: str, pictures: Pictures, positive: int, seed: int) -> Iterator[dict[str, Any]]:
    binary = tuple((images, (labels == positive).astype(int)) for images, labels in pictures)
    truth = binary[1][1]
    for method in METHODS:
        entry = {
            "metric": "roc_auc",
            "submission": {"form": "probability", "positive": 1},
            "split": {"count": 3, "seed": seed},
            "ensemble": {"method": method},
        }
        members = {name: kind | {"training": kind["training"] | {"seed": seed}} for name, kind in KINDS.items()}
        with _project(work, task, binary, 3000, seed, entry, members) as params:
            ensemble.ensemble(params, task)
            summary = load_json(paths.ensemble(task) / "ensemble.json")
            test = load_predictions(paths.ensemble(task) / "test.npz").probabilities
            yield {"task": task, "member": method, "rows": "out of fold", "roc_auc": summary["honest_score"]}
            yield {"task": task, "member": method, "rows": "test", "roc_auc": roc_auc(test, truth)}
            if method == METHODS[0]:
                for name in members:
                    one = load_predictions(paths.predictions(task, name) / "test.npz").probabilities
                    yield {"task": task, "member": name, "rows": "test", "roc_auc": roc_auc(one, truth)}


def _repeats(work: Path, pictures: Pictures, seed: int) -> Iterator[dict[str, Any]]:
    truth = pictures[1][1]
    variants = {
        **{f"{count} repeats of five folds": ({"count": 5, "repeats": count}, 1) for count in (1, 2, 4)},
        "four seeds on five folds": ({"count": 5}, 4),
        "twenty folds": ({"count": 20}, 1),
    }
    for name, (folds, seeds) in variants.items():
        entry = {"split": folds | {"seed": seed}, "ensemble": {"method": "mean"}}
        training = FAST["training"]
        members = {f"m{k}": FAST | {"training": training | {"seed": 10 * seed + k}} for k in range(seeds)}
        title = name.replace("1 repeats of five", "five")
        with _project(work / "-".join(name.split()), "clothes", pictures, 2000, seed, entry, members) as params:
            ensemble.ensemble(params, "clothes")
            summary = load_json(paths.ensemble("clothes") / "ensemble.json")
            test = load_predictions(paths.ensemble("clothes") / "test.npz")
            models = sum(
                len(load_test_models(paths.predictions("clothes", m), test.ids, test.classes, False)) for m in members
            )
            shared = {"task": "clothes", "member": title, "setting": f"{models} models"}
            honest = {"accuracy": summary["honest_accuracy"], "log_loss": summary["honest_log_loss"]}
            scores = {"accuracy": accuracy(test.probabilities, truth), "log_loss": log_loss(test.probabilities, truth)}
            yield {**shared, "rows": "out of fold", **honest}
            yield {**shared, "rows": "test", **scores}


def _soups(work: Path, pictures: Pictures, schedule: str, seed: int) -> Iterator[dict[str, Any]]:
    training = {"epochs": 12, "learning_rate": 3e-3 if schedule == "constant" else 1e-2, "schedule": schedule}
    members = {
        f"m{place}": FAST | {"training": training | {"seed": seed} | changes}
        for place, changes in enumerate(SOUPS.values())
    }
    entry = {"split": {"count": 3, "seed": seed}}
    with _project(work, "photos", pictures, 3000, seed, entry, members):
        for name, title in zip(members, SOUPS, strict=True):
            folder, shared = paths.predictions("photos", name), {"member": title, "setting": schedule}
            test, oof = load_predictions(folder / "test.npz"), load_json(folder / "metrics.json")
            models = load_test_models(folder, test.ids, test.classes, False)
            yield {"task": "photos", **shared, "rows": "out of fold", "accuracy": oof["accuracy"]}
            singles = [accuracy(model, pictures[1][1]) for model in models]
            yield {"task": "photos", **shared, "rows": "test", "accuracy": float(np.mean(singles))}


@contextmanager
def _project(
    work: Path, task: str, pictures: Pictures, rows: int, seed: int, entry: dict[str, Any], members: dict[str, Any]
) -> Iterator[Params]:
    """Enter the folder `work` with a task and its members, and train what the folder lacks."""
    work.mkdir(parents=True, exist_ok=True)
    files = {"train": {"images": "none"}, "test": {"images": "none"}, "sample_submission": "none"}
    tree = {task: {"ingest": {"folder": "raw", **files}, **entry}}
    with chdir(work):
        entries = {name: {"task": task} | member for name, member in members.items()}
        paths.PARAMS.write_text(yaml.safe_dump({"tasks": tree, "members": entries}))
        params = load_params(paths.PARAMS)
        roster.roster(params)
        if not paths.folds(task).exists():
            _write_arrays(task, pictures, rows, seed)
            prepare.prepare(params, task)
            split.split(params, task)
        for name in members:
            if not paths.predictions(task, name).exists():
                tune.tune(params, name)
                train.train(params, name)
                predict.predict(params, name)
        yield params


def _write_arrays(task: str, pictures: Pictures, count: int, seed: int) -> None:
    """Write what `ingest` would for `count` of the training pictures and all test pictures."""
    (images, labels), (test_images, _) = pictures
    rows = np.sort(np.random.default_rng(seed).permutation(len(images))[:count])
    folder, shape = paths.arrays(task), images.shape[1:] if images.ndim == 4 else (*images.shape[1:], 1)
    folder.mkdir(parents=True, exist_ok=True)
    save_array(folder / "train_images.npy", images[rows].reshape(-1, *shape))
    save_array(folder / "test_images.npy", test_images.reshape(-1, *shape))
    save_array(folder / "train_labels.npy", labels[rows].astype(np.int64))
    save_array(folder / "train_ids.npy", rows)
    save_array(folder / "test_ids.npy", np.arange(len(test_images)))
    save_json(folder / "about.json", {"classes": np.unique(labels).tolist(), "image": list(shape)})


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute())
