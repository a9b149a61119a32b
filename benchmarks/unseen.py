"""Compare recipes of the price-sum member on images of items that occur in no training image.

    FASHION_MNIST_DIR=<folder> python -m benchmarks.unseen RESULTS.jsonl [VARIANT ...]

Training images are composed of 5 000 items of each class of Fashion-MNIST's training set, held-out ones of the other
1 000. The test items of the disjoint replica are not used. There are 20 000 training images, six epochs and three
seeds. A run takes some minutes on two cores. Runs that RESULTS.jsonl contains are skipped.

With pseudo-labels, a second network also trains on held-out images, with the labels of a first one of the same recipe
instead of the true ones. With re-composition, it also trains on new images of the training items, with the prices of
which the first network is sure, given the sums of their images.
"""

import itertools
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
import models
from benchmarks import results, runs
from features.augmentation.augment import Augment
from features.items.composing import compose, paint
from features.items.locating import crop_items
from features.labels.targets import confidence, one_hot
from models.parts import wrap
from models.parts.compiling import dtype_policy, jit_compile
from models.parts.optimisers import optimiser, schedule
from models.parts.sums import PriceSums
from pipeline.config.schema import Predict
from pipeline.readers.image_sets import Images, load_source
from pipeline.replica import CANVAS_PIXELS, ITEMS, SUMS
from pipeline.reporting.tables import markdown
from pipeline.training.batches import TrainingBatches, steps_per_epoch
from pipeline.training.callbacks import SeedEpoch
from pipeline.training.epoch import fit
from pipeline.training.joined_images import Extra, JoinedImages
from pipeline.training.network import averaged_probabilities

SEEDS, ITEMS_PER_CLASS, IMAGES, HELD_OUT_IMAGES = 3, 5000, 20_000, 10_000
LEAST_CONFIDENCE = 0.9  # of pseudo-labels, and of prices


@dataclass(frozen=True)
class Recipe:
    """The default recipe, which the variants change."""

    width: float = 1.0
    dropout: float = 0.0
    epochs: int = 6
    batch_size: int = 128
    learning_rate: float = 1e-2
    weight_decay: float = 0.02
    pseudo_share: float = 0.0  # of the images of an epoch: held-out ones with a teacher's labels
    recomposed_share: float = 0.0  # of the images of an epoch: items of those seen, with prices by a teacher
    augment: Augment = field(default_factory=lambda: Augment(flip=True, shift_pixels=1))


@dataclass(frozen=True)
class ComposedImages:
    """Images whose items are cut out, as in the stage `prepare`."""

    items: np.ndarray  # uint8 (n, 3, 28, 28, 1)
    classes: np.ndarray  # int64 (n,), of the sums


def _augment(**changes: Any) -> dict[str, Augment]:
    return {"augment": Recipe().augment.model_copy(update=changes)}


VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "no flips, no shifts": _augment(flip=False, shift_pixels=0),
    "shifts of 2": _augment(shift_pixels=2),
    "cutout of 8": _augment(cutout_pixels=8),
    "cutout of 12": _augment(cutout_pixels=12),
    "random erasing, 0.5": _augment(erase_probability=0.5),
    "rescaling by 0.1": _augment(rescale_share=0.1),
    "rotation of 5 degrees": _augment(rotation_degrees=5.0),
    "dropout 0.3": {"dropout": 0.3},
    "weight decay 0.1": {"weight_decay": 0.1},
    "weight decay 0.2": {"weight_decay": 0.2},
    "mixup, 0.2": _augment(mixup_alpha=0.2),
    "three epochs": {"epochs": 3},
    "half the width, twelve epochs": {"width": 0.5, "epochs": 12},
    "cutout of 8, shifts of 2": _augment(cutout_pixels=8, shift_pixels=2),
    "cutout of 8, dropout 0.3": {"dropout": 0.3, **_augment(cutout_pixels=8)},
    "random erasing, 0.5, dropout 0.3": {"dropout": 0.3, **_augment(erase_probability=0.5)},
    "random erasing, 0.5, weight decay 0.1": {"weight_decay": 0.1, **_augment(erase_probability=0.5)},
    "random erasing, 0.5, weight decay 0.2": {"weight_decay": 0.2, **_augment(erase_probability=0.5)},
    "random erasing, 0.5, twelve epochs": {"epochs": 12, **_augment(erase_probability=0.5)},
    "random erasing, 0.5, width 1.5": {"width": 1.5, **_augment(erase_probability=0.5)},
    "random erasing, 0.5, pseudo-labels": {"pseudo_share": 0.33, **_augment(erase_probability=0.5)},
    "random erasing, 0.5, re-composed": {"recomposed_share": 0.5, **_augment(erase_probability=0.5)},
}


def main() -> None:
    """Train the missing runs, then print the table."""
    training_images, held_out, price_of = _compose_pools()

    def figures(name: str, seed: int) -> dict[str, float]:
        return _figures(training_images, held_out, price_of, replace(Recipe(), **VARIANTS[name]), seed)

    rows = runs.run_all(Path(sys.argv[1]), sys.argv[2:] or VARIANTS, SEEDS, figures)
    print(markdown(_table(rows)))
    results.write("unseen", _rows(rows))


def _rows(figures: pd.DataFrame) -> list[dict]:
    """Return the rows of results: the mean of each variant's seeds, for each set of images and number of views."""
    shared = {"task": "price_sum_disjoint", "epoch_selection": "last epoch"}
    items_by_rows = {
        "unseen items": {"rows": "unseen items", "views": 1},
        "unseen items, flips": {"rows": "unseen items", "views": 2},
        "training images": {"rows": "training images", "views": 1},
    }
    return [
        {**shared, "member": name, **which, "seconds": seeds["seconds"].mean(), **results.mean_and_error(seeds[column])}
        for name, seeds in figures.groupby("variant", sort=False)
        for column, which in items_by_rows.items()
    ]


def _table(rows: pd.DataFrame) -> pd.DataFrame:
    columns = ("unseen items", "unseen items, flips", "training images")
    return pd.DataFrame(
        [
            {
                "variant": name,
                **{column: f"{100 * seeds[column].mean():.2f}" for column in columns},
                "seeds": len(seeds),
            }
            for name, seeds in rows.groupby("variant", sort=False)
        ]
    )


def _compose_pools() -> tuple[ComposedImages, ComposedImages, dict[int, int]]:
    source, rng = load_source("fashion-mnist"), np.random.default_rng(0)
    pools = ([], [])
    for label in source.price_of:
        rows = rng.permutation(np.flatnonzero(source.train.labels == label))
        pools[0].append(rows[:ITEMS_PER_CLASS])
        pools[1].append(rows[ITEMS_PER_CLASS:])
    parts = []
    for pool, count in zip(pools, (IMAGES, HELD_OUT_IMAGES), strict=True):
        rows = np.concatenate(pool)
        parts.append(_images(Images(source.train.pixels[rows], source.train.labels[rows]), source.price_of, count, rng))
    return *parts, source.price_of


def _images(pool: Images, price_of: dict[int, int], count: int, rng: np.random.Generator) -> ComposedImages:
    prices, size = np.array([price_of[label] for label in pool.labels.tolist()]), pool.pixels.shape[1:]
    composition = compose(rng, count, prices, SUMS, ITEMS, size, CANVAS_PIXELS)
    images = paint(composition, pool.pixels, CANVAS_PIXELS)[..., None]
    return ComposedImages(crop_items(images, ITEMS, size), np.searchsorted(SUMS, composition.sums))


def _figures(
    training_images: ComposedImages, held_out: ComposedImages, price_of: dict[int, int], recipe: Recipe, seed: int
) -> dict[str, float]:
    """Train and return the accuracy on held-out images, in one view and with flips, and on training images."""
    started = time.monotonic()
    model = _train(training_images, [], price_of, recipe, seed)
    if recipe.pseudo_share:
        extra = _pseudo_label(model, held_out, recipe.pseudo_share)
        model = _train(training_images, [extra], price_of, recipe, seed)
    if recipe.recomposed_share:
        extra = _recompose(model, training_images, recipe.recomposed_share, seed)
        model = _train(training_images, [extra], price_of, recipe, seed)
    seconds = time.monotonic() - started

    def accuracy(images: ComposedImages, flip: bool) -> float:
        return float((_probabilities(model, images, flip).argmax(axis=1) == images.classes).mean())

    return {
        "unseen items": accuracy(held_out, False),
        "unseen items, flips": accuracy(held_out, True),
        "training images": accuracy(
            ComposedImages(training_images.items[:5000], training_images.classes[:5000]), False
        ),
        "seconds": round(seconds, 1),
    }


def _train(
    training_images: ComposedImages, extras: list[Extra], price_of: dict[int, int], recipe: Recipe, seed: int
) -> keras.Model:
    keras.config.set_dtype_policy(dtype_policy("auto"))
    keras.utils.set_random_seed(seed)
    options, shape = {"width": recipe.width, "dropout": recipe.dropout}, training_images.items.shape[2:]
    prices, mean, std = sorted(price_of.values()), training_images.items.mean(), training_images.items.std()
    network = models.build("fast", shape, len(prices), options)
    model = wrap.on_items(network, shape, np.float64(1 / std), np.float64(-mean / std), PriceSums(ITEMS, prices, SUMS))
    rows = np.arange(len(training_images.items))
    steps = steps_per_epoch(len(rows), recipe.batch_size) * recipe.epochs
    model.compile(
        optimiser("muon", schedule("one_cycle", recipe.learning_rate, steps), weight_decay=recipe.weight_decay),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        jit_compile=jit_compile(),
    )
    images, targets = training_images.items, one_hot(training_images.classes, len(SUMS))
    for extra in extras:
        images, targets = JoinedImages(images, extra.images), np.concatenate([targets, extra.targets])
    batches = TrainingBatches(images, targets, rows, recipe.batch_size, recipe.augment, (seed, 0), extras)
    fit(model, batches, [SeedEpoch(batches)], epochs=recipe.epochs)
    return model


def _pseudo_label(teacher: keras.Model, images: ComposedImages, share: float) -> Extra:
    probabilities = _probabilities(teacher, images, flip=True)
    return Extra(
        images.items, probabilities, np.flatnonzero(confidence(probabilities, False) >= LEAST_CONFIDENCE), share
    )


def _recompose(teacher: keras.Model, images: ComposedImages, share: float, seed: int) -> Extra:
    """Return the same number of new images, composed of items whose price is sure."""
    sums = next(layer for layer in teacher.layers if isinstance(layer, PriceSums))
    logits = keras.Model(teacher.input, sums.input).predict(images.items, batch_size=500, verbose=0)
    chances = _given_sums(softmax(logits, axis=-1), np.array(sums.prices), np.array(SUMS)[images.classes])
    sure = chances.max(axis=-1) >= LEAST_CONFIDENCE
    items, prices = images.items[sure], np.array(sums.prices)[chances[sure].argmax(axis=-1)]
    print(f"{len(items)} of {sure.size} items have a sure price", flush=True)
    rng, size = np.random.default_rng(seed), items.shape[1:3]
    composition = compose(rng, len(images.items), prices, SUMS, ITEMS, size, CANVAS_PIXELS)
    targets = one_hot(np.searchsorted(SUMS, composition.sums), len(SUMS))
    return Extra(items[composition.items], targets, np.arange(len(targets)), share)


def _given_sums(chances: np.ndarray, prices: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Return the probabilities (n, items, prices) of each item's price, given those and the sum (n,) of all items."""
    joint_sums = np.zeros_like(chances)
    for kinds in itertools.product(range(len(prices)), repeat=chances.shape[1]):
        fits = np.flatnonzero(prices[list(kinds)].sum() == sums)
        joint = np.prod([chances[fits, item, kind] for item, kind in enumerate(kinds)], axis=0)
        for item, kind in enumerate(kinds):
            joint_sums[fits, item, kind] += joint
    return joint_sums / joint_sums.sum(axis=-1, keepdims=True)


def _probabilities(model: keras.Model, images: ComposedImages, flip: bool) -> np.ndarray:
    return averaged_probabilities(
        model, images.items, np.arange(len(images.items)), Predict(flip=flip), multi_label=False
    )


if __name__ == "__main__":
    main()
