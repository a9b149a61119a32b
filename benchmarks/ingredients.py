"""Measure the gain of each ingredient of the `fast` network and its recipe: remove or add one at a time.

    FASHION_MNIST_DIR=<folder> python -m benchmarks.ingredients RESULTS.jsonl [VARIANT ...]

Trains on 50 000 training images of Fashion-MNIST and scores on the other 10 000. The test images are not used. With
half the width, four epochs and three seeds, a run takes two minutes on one core without AVX-512. It takes a quarter of
an hour at full size, and half an hour for twenty epochs. On one core with AVX-512 BF16, a hundred epochs take 37
minutes, or seven and a half with 10 000 images. Runs that RESULTS.jsonl contains are skipped.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
from keras import layers

import models
from benchmarks import results, runs
from benchmarks.ingredient_recipes import VARIANTS, Recipe
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
