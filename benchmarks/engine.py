"""Images a second of the default member: fed from memory and from the pipeline, with XLA, in bfloat16, predicting.

    python -m benchmarks.engine

Six minutes on two idle cores with AVX-512 BF16; with TF_ENABLE_ONEDNN_OPTS=0 before it, without oneDNN. Random
images: speed does not depend on what they show.
"""

import time
from collections.abc import Callable

import numpy as np

from pipeline.backend import keras  # before what imports Keras itself

# isort: split
import models
from features.augment import Augment
from features.views import views
from models import wrap
from models.compiling import dtype_policy, jit_compile
from models.optimisers import optimiser, schedule
from pipeline.batches import PredictionBatches, TrainingBatches
from pipeline.network import predict_logits

IMAGES, BATCH, ROUNDS = 12_800, 128, 3
AUGMENT = Augment(flip=True, shift_pixels=1)


def main() -> None:
    """Print a line a way to train and to predict, the best of some rounds."""
    fewer = 1 if dtype_policy("auto") == "mixed_bfloat16" else 10  # where it is emulated, it is 14 times slower
    for title, precision, compiling, count in (
        ("in float32", "float32", jit_compile(), IMAGES),
        ("in float32 with XLA", "float32", True, IMAGES),
        ("in bfloat16", "mixed_bfloat16", jit_compile(), IMAGES // fewer),
    ):
        _compare({f"{title}: {way}": work for way, work in _training(precision, compiling, count).items()}, count)
    model, images = _model(dtype_policy("auto"), jit_compile()), _images(IMAGES)
    rows, seen = np.arange(len(images)), views(True, 0)
    batches = PredictionBatches(images, rows, 512)
    ways = {
        "predicting with flips": lambda: [predict_logits(model, images, rows, *view) for view in seen],
        "reading alone, to predict": lambda: [batches[i] for i in range(len(batches))],
    }
    _compare(ways, len(images))


def _training(precision: str, compiling: bool | str, count: int) -> dict[str, Callable[[], object]]:
    """Return an epoch of one network in each way to feed it."""
    images, rows = _images(count), np.arange(count)
    targets = np.eye(10, dtype=np.float32)[rows % 10]
    model = _model(precision, compiling)

    def same() -> None:
        for _ in range(count // BATCH):
            model.train_on_batch(images[:BATCH], targets[:BATCH])

    def fed(augment: Augment) -> None:
        model.fit(TrainingBatches(images, targets, rows, BATCH, augment, (0, 0)), shuffle=False, verbose=0)

    return {
        "one batch again and again": same,
        "fed, no augmentation": lambda: fed(Augment()),
        "fed, flips and shifts": lambda: fed(AUGMENT),
    }


def _images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)


def _model(precision: str, compiling: bool | str) -> keras.Model:
    keras.config.set_dtype_policy(precision)
    network = models.build("fast", (28, 28, 1), 10, {})
    model = wrap.on_images(network, (28, 28, 1), np.float64(1 / 255), np.float64(0))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(optimiser("muon", schedule("one_cycle", 1e-2, 1000)), loss, jit_compile=compiling)
    return model


def _compare(ways: dict[str, Callable[[], object]], images: int) -> None:
    """Time the ways in turns, so that what else the machine does slows them alike."""
    seconds = {title: [] for title in ways}
    for _ in range(ROUNDS + 1):
        for title, work in ways.items():
            started = time.monotonic()
            work()
            seconds[title].append(time.monotonic() - started)
    for title, found in seconds.items():
        print(f"{title:55} {images / min(found[1:]):8.0f} images/s", flush=True)  # the first round compiles


if __name__ == "__main__":
    main()
