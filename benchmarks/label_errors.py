"""Measure how many flipped labels are at the top of the list of suspected label errors.

    FASHION_MNIST_DIR=<folder> python -m benchmarks.label_errors RESULTS.jsonl [VARIANT ...]

Takes 20 000 training images of Fashion-MNIST and flips 1 % of the labels: to any other class, or to the class that a
model confuses most with the true one. The member `fast` in half its width trains on three folds for four epochs. The
list is ranked by its out-of-fold probabilities. Labels that were wrong before count as not flipped. A run takes some
minutes on two cores; there are three seeds. Runs that RESULTS.jsonl contains are skipped.
"""

import sys
import time
from pathlib import Path

import numpy as np
from scipy.special import softmax

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
import models
from benchmarks import results, runs
from features.augmentation.augment import Augment
from features.labels.label_errors import label_quality
from features.labels.metrics.shares import accuracy
from features.labels.targets import one_hot
from models.parts import wrap
from models.parts.compiling import dtype_policy, jit_compile
from models.parts.optimisers import optimiser, schedule
from pipeline.readers.image_sets import Images, load_source
from pipeline.training.batches import TrainingBatches, steps_per_epoch
from pipeline.training.callbacks import SeedEpoch
from pipeline.training.epoch import fit
from pipeline.training.network import predict_logits

SEEDS, ROWS, FOLDS, EPOCHS, BATCH_SIZE = 3, 20_000, 3, 4, 128
FLIPPED_SHARE, LIST_SHARE = 0.01, 0.02
CONFUSED_WITH = np.array([6, 0, 4, 4, 2, 7, 0, 9, 6, 7])  # shirt for T-shirt, coat for pullover, boot for sneaker...
VARIANTS = ("any other class", "the most similar class")


def main() -> None:
    """Train the missing runs, and write the shares of flipped labels at the top of both lists."""
    source = load_source("fashion-mnist").train

    def figures(name: str, seed: int) -> dict[str, float]:
        return _figures(source, name, seed)

    rows = runs.run_all(Path(sys.argv[1]), sys.argv[2:] or VARIANTS, SEEDS, figures)
    print(rows.to_string())
    results.write(
        "label_errors",
        [
            {
                "task": "fashion",
                "member": method,
                "setting": f"1 % of the labels flipped to {name}",
                "rows": "out of fold",
                "seeds": len(group),
                "accuracy": group["accuracy"].mean(),
                "seconds": group["seconds"].mean(),
                "found_share": group[method].mean(),
                "found_share_least": group[method].min(),
            }
            for name, group in rows.groupby("variant", sort=False)
            for method in ("probability of the label", "margin of the label")
        ],
    )


def _figures(source: Images, name: str, seed: int) -> dict[str, float]:
    started, rng = time.monotonic(), np.random.default_rng(seed)
    rows = rng.permutation(len(source.labels))[:ROWS]
    images, true = np.ascontiguousarray(source.pixels[rows][..., None]), source.labels[rows].astype(int)
    flipped = rng.permutation(ROWS)[: round(FLIPPED_SHARE * ROWS)]
    labels = true.copy()
    others = (true + rng.integers(1, 10, ROWS)) % 10 if name == VARIANTS[0] else CONFUSED_WITH[true]
    labels[flipped] = others[flipped]
    probabilities = np.zeros((ROWS, 10), np.float32)
    for fold in range(FOLDS):
        is_validation = np.arange(ROWS) % FOLDS == fold
        model = _train(images, labels, np.flatnonzero(~is_validation), (seed, fold))
        held_out = np.flatnonzero(is_validation)
        probabilities[held_out] = softmax(predict_logits(model, images, held_out), axis=1)
    quality, length = label_quality(probabilities, labels), round(LIST_SHARE * ROWS)
    others = probabilities.astype(np.float64)
    others[np.arange(ROWS), labels] = -1
    own = probabilities[np.arange(ROWS), labels]
    margin = np.argsort(own - others.max(axis=1), kind="stable")
    return {
        "margin of the label": float(np.isin(flipped, margin[:length]).mean()),
        "probability of the label": float(np.isin(flipped, quality.order[:length]).mean()),
        "accuracy": accuracy(probabilities, true),
        "suspects": int(quality.is_suspect.sum()),
        "seconds": round(time.monotonic() - started, 1),
    }


def _train(images: np.ndarray, labels: np.ndarray, rows: np.ndarray, seeds: tuple[int, int]) -> keras.Model:
    keras.config.set_dtype_policy(dtype_policy("auto"))
    keras.utils.set_random_seed(sum(seeds))
    shape, mean, std = images.shape[1:], images[rows].mean(), images[rows].std()
    network = models.build("fast", shape, 10, {"width": 0.5})
    model = wrap.on_images(network, shape, np.float64(1 / std), np.float64(-mean / std))
    steps = steps_per_epoch(len(rows), BATCH_SIZE) * EPOCHS
    model.compile(
        optimiser("muon", schedule("one_cycle", 1e-2, steps), weight_decay=0.02),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        jit_compile=jit_compile(),
    )
    augment = Augment(flip=True, shift_pixels=1)
    batches = TrainingBatches(images, one_hot(labels, 10), rows, BATCH_SIZE, augment, seeds)
    fit(model, batches, [SeedEpoch(batches)], epochs=EPOCHS)
    return model


if __name__ == "__main__":
    main()
