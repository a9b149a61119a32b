"""Measure ranks, repeated folds and soups on real pictures: writes `ranks.csv`, `repeats.csv` and `soups.csv`.

    FASHION_MNIST_DIR=<folder> python -m benchmarks.blending cifar-10-jpeg.tar.xz [ranks|repeats|soups]

Each seed has other training and test images: 1 500 and 3 000. Models of scikit-learn on the pixels stand for networks,
except in soups. It takes about ten minutes of one core.

ranks: shirts among clothes, and cats among photos, by ROC AUC, in five folds. Each method combines three members of
different kinds.
repeats: ten kinds of clothes and one network in five folds, repeated four times. As many models come from four seeds on
the same folds, and from twenty folds.
soups: the network `fast` on photos, validated on a fifth of the rows. One training gives all variants: the best epoch,
the greedy soup of the best five, the last epoch, and the mean of the last five.
"""

import io
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.base import ClassifierMixin, clone
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
import models
from benchmarks import results
from features.augmentation.options import Augment
from features.ensembling import METHODS, Greedy
from features.honesty import honest_ensemble
from features.labels.folds import assign_folds
from features.labels.metrics.losses import log_loss
from features.labels.metrics.registry import ACCURACY, METRICS
from features.labels.metrics.shares import accuracy
from models.parts import wrap
from pipeline.config.schema import Training
from pipeline.readers.image_sets import load_source
from pipeline.training.batches import TrainingBatches
from pipeline.training.callbacks import BatchNormStatistics, BestWeights, EpochFigures, SeedEpoch, Validation
from pipeline.training.epoch import fit
from pipeline.training.monitor import Monitor, best_epochs
from pipeline.training.network import predict_logits
from pipeline.training.phases import Phase, compile_trainer
from pipeline.training.soup import Weights, greedy_soup, mean_weights

SEEDS, TRAINING_IMAGES, TEST_IMAGES = 3, 1500, 3000
FOLDS, REPEATS = 5, 4
SHIRT, CAT = 6, 3
EPOCHS, SOUP, BATCH, RATES = 12, 5, 32, {"constant": 3e-3, "one_cycle": 1e-2}
AUC, BY_ACCURACY = METRICS["roc_auc"], Monitor("val_accuracy", True)
MEMBERS = {
    "logistic regression": make_pipeline(PCA(100, random_state=0), LogisticRegression(max_iter=300)),
    "random forest": RandomForestClassifier(100, random_state=0),
    "network": make_pipeline(PCA(100, random_state=0), MLPClassifier((64,), max_iter=60, random_state=0)),
}


@dataclass(frozen=True)
class Set:
    """Training and test images with their labels."""

    images: np.ndarray  # uint8 (n, height, width, channels)
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    def sample(self, seed: int) -> "Set":
        """Return random images of both parts."""
        rng = np.random.default_rng(seed)
        rows, test_rows = (
            rng.permutation(len(labels))[:count]
            for labels, count in ((self.labels, TRAINING_IMAGES), (self.test_labels, TEST_IMAGES))
        )
        return Set(self.images[rows], self.labels[rows], self.test_images[test_rows], self.test_labels[test_rows])


def main(cifar: Path, *names: str) -> None:
    """Measure the questions with these names, by default all three, and write their rows."""
    source = load_source("fashion-mnist")
    clothes = Set(
        source.train.pixels[..., None], source.train.labels, source.test.pixels[..., None], source.test.labels
    )
    photos = read_photos(cifar)
    questions = {"ranks": _ranks, "repeats": _repeats, "soups": _soups}
    for question in names or questions:
        rows = [
            row for seed in range(SEEDS) for row in questions[question](clothes.sample(seed), photos.sample(seed), seed)
        ]
        table = pd.DataFrame(rows)
        groups = table.groupby([name for name in ("task", "member", "setting", "rows") if name in table], sort=False)
        results.write(question, [dict(zip(groups.keys, key, strict=True)) | _means(group) for key, group in groups])


def _means(group: pd.DataFrame) -> dict[str, Any]:
    if "roc_auc" in group:
        return {"seeds": len(group), "roc_auc": group["roc_auc"].mean(), "roc_auc_error": group["roc_auc"].sem()}
    losses = {"log_loss": group["log_loss"].mean()} if "log_loss" in group else {}
    return results.mean_and_error(group["accuracy"]) | losses


def read_photos(path: Path) -> Set:
    """Return CIFAR-10 from its JPEGs, whose folders are the classes."""
    parts: dict[str, tuple[list[np.ndarray], list[str]]] = {"train": ([], []), "test": ([], [])}
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name.endswith(".jpg"):
                *_, part, label, _ = Path(member.name).parts
                content = io.BytesIO(archive.extractfile(member).read())
                parts[part][0].append(np.asarray(Image.open(content).convert("RGB")))
                parts[part][1].append(label)
    classes = sorted(set(parts["train"][1]))
    train, test = (
        (np.stack(images), np.array([classes.index(label) for label in labels])) for images, labels in parts.values()
    )
    return Set(*train, *test)


def _ranks(clothes: Set, photos: Set, seed: int) -> Iterator[dict[str, Any]]:
    for task, data, positive in (("shirts", clothes, SHIRT), ("cats", photos, CAT)):
        labels, truth = (data.labels == positive).astype(int), (data.test_labels == positive).astype(int)
        folds = _folds(labels, FOLDS, seed)
        outputs = [_outputs(member, data, labels, folds) for member in MEMBERS.values()]
        oof, tests = np.stack([out for out, _ in outputs]), [test for _, test in outputs]
        for name, member_oof, test in zip(MEMBERS, oof, tests, strict=True):
            yield {"task": task, "member": name, "rows": "out of fold", "roc_auc": AUC.of(member_oof, labels)}
            yield {"task": task, "member": name, "rows": "test", "roc_auc": AUC.of(test.mean(axis=0), truth)}
        for method in METHODS:
            honest = honest_ensemble(oof, labels, folds, method, Greedy(), AUC)
            test, _ = honest.ensemble.of_models(tests)
            yield {
                "task": task,
                "member": method,
                "rows": "out of fold",
                "roc_auc": AUC.of(honest.probabilities, labels),
            }
            yield {"task": task, "member": method, "rows": "test", "roc_auc": AUC.of(test, truth)}


def _repeats(clothes: Set, photos: Set, seed: int) -> Iterator[dict[str, Any]]:
    labels, network = clothes.labels, MEMBERS["network"]
    repeated = np.stack([_folds(labels, FOLDS, 10 * seed + k) + k * FOLDS for k in range(REPEATS)], axis=1)
    by_repeat = [_outputs(network, clothes, labels, folds - folds.min(), 100 * k) for k, folds in enumerate(repeated.T)]
    seeds = [by_repeat[0], *(_outputs(network, clothes, labels, repeated[:, 0], 100 * k) for k in range(1, REPEATS))]
    many = _folds(labels, FOLDS * REPEATS, seed)
    oof, test = _outputs(network, clothes, labels, many)
    variants = {f"{FOLDS * REPEATS} folds": (oof[None], many, [test])}
    for count in (1, 2, REPEATS):
        outputs = np.stack([out for out, _ in by_repeat[:count]], axis=1)[None]
        models_of_all = [np.concatenate([test for _, test in by_repeat[:count]])]
        variants[f"{FOLDS} folds, {count} repeats"] = outputs, repeated[:, :count], models_of_all
        if count > 1:
            members = np.stack([out for out, _ in seeds[:count]])
            variants[f"{FOLDS} folds, {count} seeds"] = members, repeated[:, 0], [test for _, test in seeds[:count]]
    for name, (probabilities, folds, tests) in variants.items():
        honest = honest_ensemble(probabilities, labels, folds, "mean", Greedy(), ACCURACY)
        test, _ = honest.ensemble.of_models(tests)
        parts = (("out of fold", honest.probabilities, labels), ("test", test, clothes.test_labels))
        for rows, values, answers in parts:
            scores = {"accuracy": accuracy(values, answers), "log_loss": log_loss(values, answers)}
            yield {"task": "clothes", "member": name.replace(", 1 repeats", ""), "rows": rows, **scores}


def _folds(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    return assign_folds(labels, np.arange(len(labels)), count, 0.2, seed)


def _outputs(
    member: ClassifierMixin, data: Set, labels: np.ndarray, folds: np.ndarray, first_seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return out-of-fold probabilities (n, classes), and those of each fold's model for test rows."""
    pixels, test_pixels = (
        images.reshape(len(images), -1) / np.float32(255) for images in (data.images, data.test_images)
    )
    oof, tests = np.zeros((len(labels), labels.max() + 1), np.float32), []
    for fold in range(folds.max() + 1):
        model = clone(member)
        seeds = {name: first_seed + fold for name in model.get_params() if name.endswith("random_state")}
        model.set_params(**seeds).fit(pixels[folds != fold], labels[folds != fold])
        oof[folds == fold] = model.predict_proba(pixels[folds == fold])
        tests.append(model.predict_proba(test_pixels).astype(np.float32))
    return oof, np.stack(tests)


def _soups(clothes: Set, photos: Set, seed: int) -> Iterator[dict[str, Any]]:
    folds = _folds(photos.labels, 5, seed)
    rows, held_out = np.flatnonzero(folds > 0), np.flatnonzero(folds == 0)
    for schedule, rate in RATES.items():
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        training = Training(optimiser="adamw", learning_rate=rate, schedule=schedule, weight_decay=0.02)
        network = models.build("fast", photos.images.shape[1:], 10, {"width": 0.25})
        mean, deviation = photos.images[rows].mean(), photos.images[rows].std()
        model = wrap.on_images(
            network, photos.images.shape[1:], np.float64(1 / deviation), np.float64(-mean / deviation)
        )
        targets = np.eye(10, dtype=np.float32)[photos.labels]
        batches = TrainingBatches(photos.images, targets, rows, BATCH, Augment(flip=True, shift_pixels=2), (seed, 0))
        trainer = compile_trainer(model, training, Phase(0, EPOCHS, rate, None), len(batches), multi_label=False)
        statistics, history = BatchNormStatistics(trainer, batches), []
        validation = Validation(photos.images, photos.labels, held_out, ACCURACY)
        epochs = BestWeights(BY_ACCURACY, history, {}, EPOCHS)
        callbacks = [SeedEpoch(batches), EpochFigures(schedule, rate), statistics, validation, epochs]
        fit(trainer, batches, callbacks, epochs=EPOCHS)

        def assign(weights: Weights, trainer: keras.Model = trainer, statistics: Any = statistics) -> None:
            trainer.set_weights(weights)
            statistics.assign_values()

        def score(weights: Weights, validation: Validation = validation) -> float:
            assign(weights)
            logs: dict[str, float] = {}
            validation.on_epoch_end(0, logs)
            return logs[BY_ACCURACY.column]

        weights = epochs.weights
        best = [weights[epoch] for epoch in best_epochs(history, BY_ACCURACY, SOUP)]
        last = [weights[epoch] for epoch in range(EPOCHS - SOUP, EPOCHS)]
        variants = {
            "best epoch": best[0],
            f"greedy soup of the best {SOUP}": mean_weights([best[place] for place in greedy_soup(best, score)]),
            "last epoch": last[-1],
            f"mean of the last {SOUP}": mean_weights(last),
        }
        for name, weights in variants.items():
            shared = {"task": "photos", "member": name, "setting": schedule}
            yield {**shared, "rows": "validation", "accuracy": score(weights)}
            logits = predict_logits(trainer, photos.test_images, np.arange(TEST_IMAGES))
            yield {**shared, "rows": "test", "accuracy": accuracy(logits, photos.test_labels)}


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), *sys.argv[2:])
