"""Measure images per second of the default member, in training and in prediction, in both precisions.

    python -m benchmarks.engine [--images 12800] [--batch-size 128]

Training is timed on one repeated batch and on batches from the pipeline. It takes eight minutes on two idle cores with
AVX-512 BF16. Set TF_ENABLE_ONEDNN_OPTS=0 to measure without oneDNN. A GPU needs more images (256 000 in batches of 512)
to reach its full speed. The images are random, because speed does not depend on their content.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
import models
from benchmarks import results
from features.augmentation.augment import Augment
from features.augmentation.views import views
from models.parts import wrap
from models.parts.compiling import dtype_policy, is_tensorflow_on_a_cpu, jit_compile
from models.parts.optimisers import optimiser, schedule
from pipeline.training.batches import PredictionBatches, TrainingBatches
from pipeline.training.epoch import fit
from pipeline.training.network import predict_logits

ROUNDS = 3
AUGMENT = Augment(flip=True, shift_pixels=1)
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def main() -> None:
    """Print a line for each way to train and to predict: the best of some rounds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=12_800)
    parser.add_argument("--batch-size", type=int, default=128)
    options = parser.parse_args()
    for name, precision in PRECISIONS.items():
        is_emulated = is_tensorflow_on_a_cpu() and precision not in ("float32", dtype_policy("auto"))
        count = options.images // (10 if is_emulated else 1)  # it is 14 times slower then
        _compare(name, _training(precision, jit_compile(), count, options.batch_size), count)
        if is_tensorflow_on_a_cpu() and precision == "float32":
            _compare(f"{name} with XLA", _training(precision, True, count, options.batch_size), count)
        if not is_emulated:
            _compare(name, _predicting(precision, options.images), options.images)


def _training(precision: str, compiling: bool | str, count: int, batch_size: int) -> dict[str, Callable[[], object]]:
    """Return, for each way to feed a network, a function that trains it for one epoch."""
    images = _images(count)
    targets = np.eye(10, dtype=np.float32)[np.arange(count) % 10]
    model = _model(precision, compiling)
    one = keras.ops.convert_to_tensor(images[:batch_size]), keras.ops.convert_to_tensor(targets[:batch_size])

    def repeat_batch() -> None:
        for _ in range(count // batch_size):
            model.train_on_batch(*one)

    def feed(distinct: int, augment: Augment) -> Callable[[], object]:
        """Return a function that trains on `count` images, of which `distinct` are distinct."""
        some = images[:distinct], targets[:distinct]
        batches = TrainingBatches(*some, np.resize(np.arange(distinct), count), batch_size, augment, (0, 0))
        return lambda: fit(model, batches, [])

    return {
        "one batch again and again": repeat_batch,
        "fed, one batch's images alone": feed(batch_size, Augment()),
        "fed, no augmentation": feed(count, Augment()),
        "fed, flips and shifts": feed(count, AUGMENT),
    }


def _predicting(precision: str, count: int) -> dict[str, Callable[[], object]]:
    """Return functions that predict `count` images with flips, and that only read them."""
    model, images = _model(precision, jit_compile()), _images(count)
    rows, view_options = np.arange(count), views(True, 0)
    batches = PredictionBatches(images, rows, 512)
    return {
        "predicting with flips": lambda: [predict_logits(model, images, rows, *view) for view in view_options],
        "reading alone, to predict": lambda: [batches[i] for i in range(len(batches))],
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


def _compare(precision: str, ways: dict[str, Callable[[], object]], images: int) -> None:
    """Time the ways in turns, so that other load on the machine slows all of them. The first round compiles."""
    seconds = {title: [] for title in ways}
    for _ in range(ROUNDS + 1):
        for title, work in ways.items():
            started = time.monotonic()
            work()
            seconds[title].append(time.monotonic() - started)
    speeds = {title: images / min(rounds[1:]) for title, rounds in seconds.items()}
    for title, speed in speeds.items():
        print(f"in {precision}: {title:40} {speed:8.0f} images/s", flush=True)
    rows = [{"member": title, "setting": precision, "images_per_second": speed} for title, speed in speeds.items()]
    results.write("engine", rows)


if __name__ == "__main__":
    main()
