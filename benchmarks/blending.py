"""Measure ranks, repeated folds and soups on real pictures: writes `ranks.csv`, `repeats.csv` and `soups.csv`.

    FASHION_MNIST_DIR=<folder> python -m benchmarks.blending WORK cifar-10-jpeg.tar.xz [ranks|repeats|soups]

Three seeds, each with other training images; 3 000 test images. Podium's stages train the members in WORK, where a
killed run resumes. All three take about half an hour of one core.

ranks: shirts among clothes, and cats among photos, by ROC AUC. Each method combines three members of different kinds.
repeats: 1 500 clothes in three folds, repeated four times. As many models come from four seeds on the same folds.
soups: 1 500 photos of CIFAR-10, and the best epoch, the greedy soup of the best five, the last epoch, and the mean of
the last five.
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
from features.ensembling import Greedy
from features.honesty import honest_ensemble
from features.labels.metrics.losses import log_loss
from features.labels.metrics.rankings import roc_auc
from features.labels.metrics.shares import accuracy
from pipeline import predict, prepare, roster, split, train, tune
from pipeline.config.schema import load_params
from pipeline.readers.image_sets import load_source
from pipeline.storage import paths
from pipeline.storage.files import load_json, save_array, save_json
from pipeline.storage.predictions import load_predictions, load_repeats, load_test_models
from pipeline.storage.task_data import TaskData
from pipeline.storage.task_metric import load_metric

SEEDS, METHODS = 3, ("mean", "greedy", "convex", "rank")
TRAINING_IMAGES, TEST_IMAGES = 1500, 3000
SHIRT, CAT = 6, 3
FAST = {"architecture": "fast", "options": {"width": 0.25}, "training": {"epochs": 6, "learning_rate": 1e-2}}
KINDS = {
    "fast": FAST | {"training": FAST["training"] | {"label_smoothing": 0.1}},
    "lenet": {"architecture": "lenet", "training": {"epochs": 6, "learning_rate": 2e-3}},
    "feedforward": {"architecture": "feedforward", "options": {"units": [128]}, "training": {"epochs": 6}},
}
SOUPS = {
    "best epoch": {},
    "greedy soup of the best five": {"soup_epochs": 5},
    "last epoch": {"monitor": "none"},
    "mean of the last five": {"monitor": "none", "soup_epochs": 5},
}
Pictures = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]  # train and test: images, labels


def main(work: Path, cifar: Path, *chosen: str) -> None:
    """Measure the questions, by default all three, and write their rows."""
    source = load_source("fashion-mnist")
    clothes = ((source.train.pixels, source.train.labels), (source.test.pixels, source.test.labels))
    photos = read_photos(cifar)
    questions = {"ranks": _ranks, "repeats": _repeats, "soups": _soups}
    for question in chosen or questions:
        rows = [row for seed in range(SEEDS) for row in questions[question](work / question, clothes, photos, seed)]
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


def _ranks(work: Path, clothes: Pictures, photos: Pictures, seed: int) -> Iterator[dict[str, Any]]:
    for task, pictures, positive in (("shirts", clothes, SHIRT), ("cats", photos, CAT)):
        binary = tuple((images, (labels == positive).astype(int)) for images, labels in pictures)
        members = {name: kind | {"training": kind["training"] | {"seed": seed}} for name, kind in KINDS.items()}
        entry = {
            "metric": "roc_auc",
            "submission": {"form": "probability", "positive": 1},
            "split": {"count": 3, "seed": seed},
        }
        with _project(work / f"{task}-{seed}", task, binary, seed, entry, members) as truth:
            for name in members:
                folder = paths.predictions(task, name)
                score, test = load_json(folder / "metrics.json")["score"], load_predictions(folder / "test.npz")
                yield {"task": task, "member": name, "rows": "out of fold", "roc_auc": score}
                yield {"task": task, "member": name, "rows": "test", "roc_auc": roc_auc(test.probabilities, truth)}
            for method in METHODS:
                honest, test = _combine(task, list(members), method)
                honest_score = roc_auc(honest, TaskData(task).labels)
                yield {"task": task, "member": method, "rows": "out of fold", "roc_auc": honest_score}
                yield {"task": task, "member": method, "rows": "test", "roc_auc": roc_auc(test, truth)}


def _repeats(work: Path, clothes: Pictures, photos: Pictures, seed: int) -> Iterator[dict[str, Any]]:
    members = {f"m{k}": FAST | {"training": FAST["training"] | {"seed": 10 * seed + k}} for k in range(4)}
    variants = {
        "repeats": ({"count": 3, "repeats": 4}, {"m0": members["m0"]}),
        "seeds": ({"count": 3}, members),
    }
    for name, (folds, some) in variants.items():
        entry = {"split": folds | {"seed": seed}}
        with _project(work / f"{name}-{seed}", "clothes", clothes, seed, entry, some) as truth:
            for count in (1, 2, 4):
                known = {"repeats": count} if name == "repeats" else {"members": count}
                honest, test = _combine("clothes", list(some)[: known.get("members")], "mean", known.get("repeats", 1))
                member = f"{count} {name}" if count > 1 else "one of each"
                shared = {"task": "clothes", "member": member, "setting": f"{3 * count} models"}
                if name == "seeds" and count == 1:
                    continue  # this is one repeat
                for rows, probabilities, labels in (
                    ("out of fold", honest, TaskData("clothes").labels),
                    ("test", test, truth),
                ):
                    scores = {"accuracy": accuracy(probabilities, labels), "log_loss": log_loss(probabilities, labels)}
                    yield {**shared, "rows": rows, **scores}


def _combine(task: str, members: list[str], method: str, repeats: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return the honest and the test probabilities of members, with the first repeats of their folds."""
    data = TaskData(task)
    folds, (rows, test_ids) = data.repeated_folds, (data.train_ids, data.test_ids)
    folders = [paths.predictions(task, name) for name in members]
    oof = [load_repeats(folder, rows, data.classes, False, folds.shape[1])[:repeats] for folder in folders]
    probabilities = np.stack([np.stack([part.probabilities for part in parts], axis=1) for parts in oof])
    greedy, metric = Greedy(), load_metric(data)
    honest = honest_ensemble(probabilities, data.labels, folds[:, :repeats], method, greedy, metric)
    count = int(folds[:, :repeats].max()) + 1
    tests = [load_test_models(folder, test_ids, data.classes, False)[:count] for folder in folders]
    return honest.probabilities, honest.ensemble.of_models(tests)[0]


def _soups(work: Path, clothes: Pictures, photos: Pictures, seed: int) -> Iterator[dict[str, Any]]:
    for schedule, rate in (("constant", 3e-3), ("one_cycle", 1e-2)):
        training = {"epochs": 12, "learning_rate": rate, "schedule": schedule, "seed": seed}
        members = {f"m{k}": FAST | {"training": training | changes} for k, changes in enumerate(SOUPS.values())}
        entry = {"split": {"count": 1, "seed": seed}}
        with _project(work / f"{schedule}-{seed}", "photos", photos, seed, entry, members) as truth:
            for name, title in zip(members, SOUPS, strict=True):
                folder, shared = paths.predictions("photos", name), {"member": title, "setting": schedule}
                test, held_out = load_predictions(folder / "test.npz"), load_json(folder / "metrics.json")
                yield {"task": "photos", **shared, "rows": "out of fold", "accuracy": held_out["accuracy"]}
                yield {
                    "task": "photos",
                    **shared,
                    "rows": "test",
                    "accuracy": accuracy(test.probabilities, truth),
                }


@contextmanager
def _project(
    work: Path, task: str, pictures: Pictures, seed: int, entry: dict[str, Any], members: dict[str, Any]
) -> Iterator[np.ndarray]:
    """Enter the folder `work` with a task and its members, train what it lacks, and yield the test labels."""
    work.mkdir(parents=True, exist_ok=True)
    files = {"train": {"images": "none"}, "test": {"images": "none"}, "sample_submission": "none"}
    tree = {task: {"ingest": {"folder": "raw", **files}, **entry}}
    with chdir(work):
        entries = {name: {"task": task} | member for name, member in members.items()}
        paths.PARAMS.write_text(yaml.safe_dump({"tasks": tree, "members": entries}))
        params = load_params(paths.PARAMS)
        roster.roster(params)
        if not paths.folds(task).exists():
            _write_arrays(task, pictures, seed)
            prepare.prepare(params, task)
            split.split(params, task)
        for name in members:
            if not paths.predictions(task, name).exists():
                tune.tune(params, name)
                train.train(params, name)
                predict.predict(params, name)
        yield pictures[1][1][TaskData(task).test_ids]


def _write_arrays(task: str, pictures: Pictures, seed: int) -> None:
    """Write what `ingest` would for random pictures."""
    rng, folder = np.random.default_rng(seed), paths.arrays(task)
    folder.mkdir(parents=True, exist_ok=True)
    for part, (images, labels), count in zip(("train", "test"), pictures, (TRAINING_IMAGES, TEST_IMAGES), strict=True):
        rows = np.sort(rng.permutation(len(images))[:count])
        shape = images.shape[1:] if images.ndim == 4 else (*images.shape[1:], 1)
        save_array(folder / f"{part}_images.npy", images[rows].reshape(-1, *shape))
        save_array(folder / f"{part}_ids.npy", rows)
        if part == "train":
            save_array(folder / "train_labels.npy", labels[rows].astype(np.int64))
    save_json(folder / "about.json", {"classes": np.unique(labels).tolist(), "image": list(shape)})


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute(), *sys.argv[3:])
