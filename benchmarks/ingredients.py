"""Measure the gain of each ingredient of the `fast` network and its recipe: remove or add one at a time.

    FASHION_MNIST_DIR=<folder> python -m benchmarks.ingredients RESULTS.jsonl [VARIANT ...]

Trains on 50 000 training images of Fashion-MNIST and scores on the other 10 000. The test images are not used. With
half the width, four epochs and three seeds, a run takes two minutes on one core without AVX-512. It takes a quarter of
an hour at full size, and half an hour for twenty epochs. On one core with AVX-512 BF16, a hundred epochs take 37
minutes, or seven and a half with 10 000 images. Runs that RESULTS.jsonl contains are skipped.
"""

import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
from keras import layers

import models
from benchmarks import results, runs
from features.augmentation.augment import Augment
from features.augmentation.views import views
from features.labels.targets import one_hot, probabilities
from models.parts import batch_norm
from models.parts.compiling import dtype_policy, jit_compile
from models.parts.cost import flops
from models.parts.layers import convolution, dirac, logits
from models.parts.optimisers import optimiser, schedule
from pipeline.readers.image_sets import load_source
from pipeline.reporting.tables import markdown
from pipeline.training.batches import TrainingBatches, steps_per_epoch
from pipeline.training.callbacks import SeedEpoch, sample_of
from pipeline.training.epoch import fit
from pipeline.training.network import predict_logits
from pipeline.training.variables import copies, set_variables

SEEDS, HELD_OUT, PATCHES = 3, 10_000, 5_000
SORTED_EVERY_EPOCHS, HARDEST_SHARE = 3, 2 / 3  # share of the hardest rows in a short epoch; the others are random


@dataclass(frozen=True)
class Recipe:
    """The baseline: the default without Dirac initialisation, which was added because of this comparison."""

    stem_filters: int = 16
    filters: tuple[int, ...] = (16, 32, 64)
    activation: str = "relu"
    whitening: bool = False  # a frozen stem of the eigenvectors of 2x2 patches, and their negatives
    dirac: bool = False  # convolutions that start as copies of their first channels
    residual: bool = False  # a third convolution a group, with a shortcut past the last two
    squeeze: bool = False  # squeeze and excitation: a small network weighs the channels by their means
    pooling: str = "max"  # at the end; "none" keeps the last grid's places apart
    learnt_share: float = 1.0  # of the rows, mostly the hardest ones, in all epochs except the first and the last tenth
    resnet: dict[str, Any] = field(default_factory=dict)  # options of that network, in place of this one
    precision: str = "auto"
    training_images: int = 50_000
    norm_momentum: float = 0.9
    norm_gamma: bool = True
    epochs: int = 4
    batch_size: int = 128
    optimiser: str = "muon"
    momentum: float = 0.9
    learning_rate: float = 1e-2
    schedule: str = "one_cycle"
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    ema_momentum: float = 0.0
    lookahead: bool = False
    augment: Augment = field(default_factory=lambda: Augment(flip=True, shift_pixels=1))


def _augment(**changes: Any) -> dict[str, Augment]:
    return {"augment": Recipe().augment.model_copy(update=changes)}


FULL_SIZE = {"stem_filters": 32, "filters": (32, 64, 128), "epochs": 10}
LONG = {**FULL_SIZE, "dirac": True, "epochs": 20}
LONGER = {**LONG, "epochs": 100}
FORTY = {**LONG, "epochs": 40, **_augment(erase_probability=0.5)}
WIDER = {**LONGER, "stem_filters": 48, "filters": (48, 96, 192)}
FEW = {**LONGER, "training_images": 10_000}

VARIANTS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "AdamW, learning rate 4e-3": {"optimiser": "adamw", "learning_rate": 4e-3},
    "SGD, learning rate 0.1": {"optimiser": "sgd", "learning_rate": 0.1},
    "whitening": {"whitening": True},
    "dirac initialisation": {"dirac": True},
    "whitening and dirac initialisation": {"whitening": True, "dirac": True},
    "three convolutions and a shortcut": {"residual": True},
    "mean instead of maximum at the end": {"pooling": "mean"},
    "float32": {"precision": "float32"},
    "batch normalisation: momentum 0.6, no gamma": {"norm_momentum": 0.6, "norm_gamma": False},
    "cosine without warm-up": {"schedule": "cosine"},
    "no weight decay": {"weight_decay": 0.0},
    "no label smoothing": {"label_smoothing": 0.0},
    "moving average of weights, 0.99": {"ema_momentum": 0.99},
    "Lookahead": {"lookahead": True},
    "no flips": _augment(flip=False),
    "alternating flips": _augment(flip=False, alternating_flip=True),
    "no shifts": _augment(shift_pixels=0),
    "shifts of 2": _augment(shift_pixels=2),
    "cutout of 8": _augment(cutout_pixels=8),
    "random erasing, 0.5": _augment(erase_probability=0.5),
    "dirac: three convolutions and a shortcut": {"dirac": True, "residual": True},
    "dirac: squeeze and excitation": {"dirac": True, "squeeze": True},
    "dirac: SiLU instead of ReLU": {"dirac": True, "activation": "silu"},
    "dirac: GELU instead of ReLU": {"dirac": True, "activation": "gelu"},
    "dirac: a stem of 8 filters": {"dirac": True, "stem_filters": 8},
    "dirac: a stem of 24 filters": {"dirac": True, "stem_filters": 24},
    "dirac: label smoothing 0.2": {"dirac": True, "label_smoothing": 0.2},
    "dirac: a stem of 8 filters, three convolutions and a shortcut": {
        "dirac": True,
        "stem_filters": 8,
        "residual": True,
    },
    "dirac: no pooling at the end": {"dirac": True, "pooling": "none"},
    "dirac: last group of 96 filters": {"dirac": True, "filters": (16, 32, 96)},
    "dirac: momentum 0.8": {"dirac": True, "momentum": 0.8},
    "dirac: momentum 0.95": {"dirac": True, "momentum": 0.95},
    "dirac: eight epochs": {"dirac": True, "epochs": 8},
    "dirac: sixteen epochs of the harder rows": {"dirac": True, "epochs": 16, "learnt_share": 0.27},
    "dirac: batches of 256": {"dirac": True, "batch_size": 256},
    "dirac: batches of 256, learning rate 1.4e-2": {"dirac": True, "batch_size": 256, "learning_rate": 1.4e-2},
    "dirac: batches of 256, learning rate 2e-2": {"dirac": True, "batch_size": 256, "learning_rate": 2e-2},
    "dirac: batches of 512, learning rate 2e-2": {"dirac": True, "batch_size": 512, "learning_rate": 2e-2},
    "dirac: batches of 512, learning rate 4e-2": {"dirac": True, "batch_size": 512, "learning_rate": 4e-2},
    "full size": FULL_SIZE,
    "full size, dirac initialisation": {**FULL_SIZE, "dirac": True},
    "full size, twenty epochs of the harder rows": {**LONG, "learnt_share": 0.27},
    "full size, whitening and dirac initialisation": {**FULL_SIZE, "whitening": True, "dirac": True},
    "twenty epochs": LONG,
    "twenty epochs, weight decay 0.1": {**LONG, "weight_decay": 0.1},
    "twenty epochs, weight decay 0.1, random erasing, 0.5": {
        **LONG,
        "weight_decay": 0.1,
        **_augment(erase_probability=0.5),
    },
    "twenty epochs, shifts of 2": {**LONG, **_augment(shift_pixels=2)},
    "twenty epochs, random erasing, 0.5": {**LONG, **_augment(erase_probability=0.5)},
    "twenty epochs, three convolutions and a shortcut": {**LONG, "residual": True},
    "twenty epochs, no pooling at the end": {**LONG, "pooling": "none"},
    "forty-five epochs of the harder rows": {**LONG, "epochs": 45, "learnt_share": 0.27},
    "thirty epochs of the harder half": {**LONG, "epochs": 30, "learnt_share": 0.5},
    "twenty epochs, width 1.5": {**LONG, "stem_filters": 48, "filters": (48, 96, 192)},
    "a hundred epochs": LONGER,
    "a hundred epochs, random erasing, 0.5": {**LONGER, **_augment(erase_probability=0.5)},
    "a hundred epochs, random erasing, 0.5, shifts of 2": {**LONGER, **_augment(erase_probability=0.5, shift_pixels=2)},
    "a hundred epochs, mixup 1, shifts of 2": {**LONGER, **_augment(mixup_alpha=1.0, shift_pixels=2)},
    "a hundred epochs, mixup 0.2, random erasing, 0.5, shifts of 2": {
        **LONGER,
        **_augment(mixup_alpha=0.2, erase_probability=0.5, shift_pixels=2),
    },
    "a hundred epochs, CutMix 0.2": {**LONGER, **_augment(cutmix_alpha=0.2)},
    "a hundred epochs, width 1.5, random erasing, 0.5": {**WIDER, **_augment(erase_probability=0.5)},
    "a hundred epochs, width 1.5, CutMix 1": {**WIDER, **_augment(cutmix_alpha=1.0)},
    "forty epochs, random erasing, 0.5": FORTY,
    "forty epochs, random erasing, 0.5, resnet": {
        **FORTY,
        "resnet": {"stem_filters": 16, "filters": [32, 64, 128], "blocks": 2},
    },
    "forty epochs, random erasing, 0.5, resnet, its first stage at the images' size": {
        **FORTY,
        "resnet": {"stem_filters": 16, "filters": [16, 32, 64], "blocks": 2, "first_stride_pixels": 1},
    },
    "10 000 images, a hundred epochs": FEW,
    "10 000 images, random erasing, 0.5": {**FEW, **_augment(erase_probability=0.5)},
    "10 000 images, mixup 0.2": {**FEW, **_augment(mixup_alpha=0.2)},
    "10 000 images, mixup 1": {**FEW, **_augment(mixup_alpha=1.0)},
    "10 000 images, CutMix 1": {**FEW, **_augment(cutmix_alpha=1.0)},
    "10 000 images, CutMix 0.2": {**FEW, **_augment(cutmix_alpha=0.2)},
    "10 000 images, CutMix 1, random erasing, 0.5": {**FEW, **_augment(cutmix_alpha=1.0, erase_probability=0.5)},
    "10 000 images, twenty epochs": {**FEW, "epochs": 20},
    "10 000 images, twenty epochs, random erasing, 0.5": {**FEW, "epochs": 20, **_augment(erase_probability=0.5)},
    "10 000 images, twenty epochs, CutMix 1": {**FEW, "epochs": 20, **_augment(cutmix_alpha=1.0)},
}


class Lookahead(keras.callbacks.Callback):
    """Airbench's Lookahead: every five steps the weights become a moving average, whose decay grows.

    Source: Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024.
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps, self.step, self.average = steps, 0, None

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Update the average, and assign it to the weights."""
        self.step += 1
        if self.average is None:
            self.average = copies(self.model.weights)
        if self.step % 5 and self.step < self.steps:
            return
        decay = 0.95**5 * (self.step / self.steps) ** 3 if self.step < self.steps else 1.0
        for place, variable in enumerate(self.model.weights):
            if keras.backend.is_float_dtype(variable.dtype):
                new = keras.ops.convert_to_numpy(variable)
                self.average[place] = decay * self.average[place] + (1 - decay) * new
                variable.assign(self.average[place])


def main() -> None:
    """Train the missing runs, then print the table."""
    images = load_source("fashion-mnist").train

    def figures(name: str, seed: int) -> dict[str, float]:
        return train_and_judge(images, replace(Recipe(), **VARIANTS[name]), seed)

    rows = runs.run_all(Path(sys.argv[1]), sys.argv[2:] or VARIANTS, SEEDS, figures)
    print(markdown(_table(rows)))
    results.write("ingredients", _rows(rows))


def _rows(figures: pd.DataFrame) -> list[dict]:
    """Return the rows of results: the mean of each variant's seeds, for each number of views."""
    shared = {"task": "fashion", "rows": "held out", "epoch_selection": "last epoch"}
    counts = {"accuracy": 1, "two views": 2, "six views": 6}
    return [
        {
            **shared,
            "member": name,
            "views": views_,
            "pflop": seeds["TFLOP"].mean() / 1000,
            "seconds": seeds["seconds"].mean(),
            **results.mean_and_error(seeds[column]),
        }
        for name, seeds in figures.groupby("variant", sort=False)
        for column, views_ in counts.items()
    ]


def _table(rows: pd.DataFrame) -> pd.DataFrame:
    lines = []
    for name, seeds in rows.groupby("variant", sort=False):
        error = seeds["accuracy"].std() / len(seeds) ** 0.5
        figures = {"accuracy": f"{100 * seeds['accuracy'].mean():.2f} ± {100 * error:.2f}"}
        for views_ in ("two views", "six views"):
            figures[views_] = f"{100 * seeds[views_].mean():.2f}"
        cost = {"TFLOP": f"{seeds['TFLOP'].mean():.1f}", "seconds": f"{seeds['seconds'].mean():.0f}"}
        lines.append({"variant": name, **figures, **cost})
    return pd.DataFrame(lines)


def train_and_judge(images: Any, recipe: Recipe, seed: int) -> dict[str, float]:
    """Train once and return the accuracy on the held-out rows, in one, two and six views."""
    order = np.random.default_rng(0).permutation(len(images.labels))
    held_out, rows = np.sort(order[:HELD_OUT]), np.sort(order[HELD_OUT:][: recipe.training_images])
    pixels, targets = images.pixels[..., None], one_hot(images.labels, 10)
    keras.utils.clear_session()
    keras.config.set_dtype_policy(dtype_policy(recipe.precision))
    keras.utils.set_random_seed(seed)
    mean, std = pixels[rows].mean(), pixels[rows].std()
    inputs = keras.Input(pixels.shape[1:], dtype="uint8")
    network = _network(recipe, (pixels[rows[:PATCHES]] - mean) / std)
    model = keras.Model(inputs, network(layers.Rescaling(1 / std, -mean / std)(inputs)))
    sizes = _rows_learnt(recipe, len(rows))
    steps = sum(steps_per_epoch(size, recipe.batch_size) for size in sizes)
    model.compile(
        optimiser(
            recipe.optimiser,
            schedule(recipe.schedule, recipe.learning_rate, steps),
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            ema_momentum=recipe.ema_momentum,
        ),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        jit_compile=jit_compile(),
    )
    started, sorts, rng = time.monotonic(), 0, np.random.default_rng(seed)
    callbacks = [Lookahead(steps)] if recipe.lookahead else []
    stretch = (
        recipe.epochs if recipe.learnt_share == 1 else 1
    )  # epochs with the same rows, in one fit, because a fit ends the moving average
    for epoch in range(0, recipe.epochs, stretch):
        size = sizes[epoch]
        if size < len(rows) and (epoch - 1) % SORTED_EVERY_EPOCHS == 0:
            hardest_first, sorts = _hardest_first(model, pixels, images.labels, rows), sorts + 1
        epoch_rows = rows if size == len(rows) else _harder(hardest_first, size, rng)
        batches = TrainingBatches(pixels, targets, epoch_rows, recipe.batch_size, recipe.augment, (seed, 0))
        fit(model, batches, [SeedEpoch(batches), *callbacks], initial_epoch=epoch, epochs=epoch + stretch)
    statistics_rows = sample_of(rows, np.random.default_rng(seed))
    set_variables(batch_norm.statistics(model), batch_norm.estimator(model)(pixels[statistics_rows]))
    seconds = time.monotonic() - started
    view_probabilities = [
        probabilities(predict_logits(model, pixels, held_out, *view), False) for view in views(True, 1)
    ]
    scores = {
        "accuracy": view_probabilities[0],
        "two views": sum(view_probabilities[:2]),
        "six views": sum(view_probabilities),
    }
    figures = {
        name: float((predicted.argmax(1) == images.labels[held_out]).mean()) for name, predicted in scores.items()
    }
    operations = flops(network) * (3 * steps * recipe.batch_size + sorts * len(rows)) / 1e12
    return {**figures, "TFLOP": round(operations, 2), "seconds": round(seconds, 1)}


def _rows_learnt(recipe: Recipe, rows: int) -> list[int]:
    """Return the number of training rows in each epoch."""
    last = recipe.epochs - max(1, round(recipe.epochs / 10))
    few = round(recipe.learnt_share * rows)
    return [few if 0 < epoch < last else rows for epoch in range(recipe.epochs)]


def _hardest_first(model: keras.Model, pixels: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    predictions = probabilities(predict_logits(model, pixels, rows), False)
    return rows[predictions[np.arange(len(rows)), labels[rows]].argsort(kind="stable")]


def _harder(hardest_first: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    hardest, others = np.split(hardest_first, [round(HARDEST_SHARE * size)])
    return np.concatenate([hardest, rng.choice(others, size - len(hardest), replace=False)])


def _network(recipe: Recipe, samples: np.ndarray) -> keras.Model:
    if recipe.resnet:
        return models.build("resnet", samples.shape[1:], 10, recipe.resnet)
    images = keras.Input(samples.shape[1:])
    stem = layers.Conv2D(8 if recipe.whitening else recipe.stem_filters, 2)
    x = layers.Activation(recipe.activation)(stem(images))
    if recipe.whitening:
        stem.set_weights(_whitening(samples))
        stem.trainable = False
    for width in recipe.filters:
        x = _normalise(recipe, layers.MaxPooling2D(2)(_convolution(recipe, x, width)))
        y = _normalise(recipe, _convolution(recipe, x, width))
        if recipe.residual:
            y = layers.Add()([x, _normalise(recipe, _convolution(recipe, y, width))])
        x = _squeeze(y) if recipe.squeeze else y
    pooling = {"max": layers.GlobalMaxPooling2D, "mean": layers.GlobalAveragePooling2D, "none": layers.Flatten}
    return keras.Model(images, logits(pooling[recipe.pooling]()(x), 10))


def _convolution(recipe: Recipe, x: keras.KerasTensor, width: int) -> keras.KerasTensor:
    return convolution(x, width, initializer=dirac if recipe.dirac else "he_normal")


def _normalise(recipe: Recipe, x: keras.KerasTensor) -> keras.KerasTensor:
    x = layers.BatchNormalization(momentum=recipe.norm_momentum, scale=recipe.norm_gamma)(x)
    return layers.Activation(recipe.activation)(x)


def _squeeze(x: keras.KerasTensor) -> keras.KerasTensor:
    weights = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weights = layers.Conv2D(x.shape[-1] // 4, 1, activation="relu")(weights)
    return layers.Multiply()([x, layers.Conv2D(x.shape[-1], 1, activation="sigmoid")(weights)])


def _whitening(samples: np.ndarray) -> list[np.ndarray]:
    """Return kernel (2, 2, 1, 8) and bias of filters whose outputs on patches are uncorrelated and of variance one."""
    patches = np.lib.stride_tricks.sliding_window_view(samples[..., 0], (2, 2), axis=(1, 2)).reshape(-1, 4)
    variances, vectors = np.linalg.eigh(patches.T @ patches / len(patches))
    filters = (vectors / np.sqrt(variances + 5e-4)).reshape(2, 2, 1, 4)
    return [np.concatenate([filters, -filters], axis=-1), np.zeros(8)]


if __name__ == "__main__":
    main()
