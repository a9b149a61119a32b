"""Images a second of the default member: fed from memory and from the pipeline, with XLA, in bfloat16, predicting.

    python -m benchmarks.engine

Some ten minutes on two idle cores; with TF_ENABLE_ONEDNN_OPTS=0 before it, without oneDNN. Random images:
speed does not depend on what they show.
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
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, 28, 28, 1), dtype=np.uint8)
    targets = np.eye(10, dtype=np.float32)[rng.integers(0, 10, IMAGES)]
    rows = np.arange(IMAGES)
    for title, precision, compiling in (
        ("in float32", "float32", jit_compile()),
        ("in float32 with XLA", "float32", True),
        ("in bfloat16", "mixed_bfloat16", jit_compile()),
    ):
        model = _model(precision, compiling)

        def epoch(number: int, augment: Augment, trained: keras.Model = model) -> None:
            batches = TrainingBatches(images, targets, rows, BATCH, augment, (0, 0, number))
            trained.fit(batches, shuffle=False, verbose=0)

        _print(f"{title}: one batch again and again", IMAGES, lambda m=model: _same_batch(m, images, targets))
        _print(f"{title}: fed, no augmentation", IMAGES, lambda: epoch(0, Augment()))
        _print(f"{title}: fed, flips and shifts", IMAGES, lambda: epoch(0, AUGMENT))
    model = _model(dtype_policy("auto"), jit_compile())
    seen = views(True, 0)
    _print("predicting with flips", IMAGES, lambda: [predict_logits(model, images, rows, *view) for view in seen])
    batches = PredictionBatches(images, rows, 512)
    _print("reading alone, to predict", IMAGES, lambda: [batches[i] for i in range(len(batches))])


def _model(precision: str, compiling: bool | str) -> keras.Model:
    keras.config.set_dtype_policy(precision)
    network = models.build("fast", (28, 28, 1), 10, {})
    model = wrap.on_images(network, (28, 28, 1), np.float64(1 / 255), np.float64(0))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(optimiser("muon", schedule("one_cycle", 1e-2, 1000)), loss, jit_compile=compiling)
    return model


def _same_batch(model: keras.Model, images: np.ndarray, targets: np.ndarray) -> None:
    for _ in range(IMAGES // BATCH):
        model.train_on_batch(images[:BATCH], targets[:BATCH])


def _print(title: str, images: int, work: Callable[[], object]) -> None:
    work()  # compiles
    seconds = []
    for _ in range(ROUNDS):
        started = time.monotonic()
        work()
        seconds.append(time.monotonic() - started)
    print(f"{title:55} {images / min(seconds):8.0f} images/s", flush=True)


if __name__ == "__main__":
    main()
