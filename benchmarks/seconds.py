"""Measure the seconds of training and the accuracy of members on one device. Compiling is not included.

    FASHION_MNIST_DIR=<folder> KERAS_BACKEND=jax python -m benchmarks.seconds WORK [--seeds 3] [--held-out] MEMBER ...

The members are those of benchmarks/gpu.yaml. They train on all training rows and are scored on the replica's test
images, in one view and in the task's own views. With --held-out, the rows of fold 0 are left out of training and used
for the score. Choose recipes by this score. The clock runs during a seed's epochs. A first epoch compiles the program
and copies the images to the device; its weights are discarded. TFLOP/s count three times the forward pass of
convolutions and dense layers.
"""

import argparse
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import results
from benchmarks.records import right_classes
from benchmarks.stages import ROOT, prepare_tasks
from features.augmentation.views import views
from features.labels.targets import one_hot, probabilities
from models.parts.compiling import dtype_policy
from pipeline.config.schema import Member, Params
from pipeline.reporting.tables import markdown
from pipeline.running.backend import keras  # before what imports Keras itself
from pipeline.storage import paths
from pipeline.storage.files import load_array
from pipeline.storage.task_data import TaskData
from pipeline.training.batches import TrainingBatches, batch_size_for, steps_per_epoch
from pipeline.training.callbacks import SeedEpoch
from pipeline.training.epoch import fit
from pipeline.training.network import build_model, predict_logits, size_of
from pipeline.training.phases import compile_trainer, phases
from pipeline.training.variables import copies, set_variables

COSTS = {"pflop": "PFLOP", "seconds": "seconds", "tflops": "TFLOP/s"}


def main() -> None:
    """Train each member and seed, print a line for each, then print the means."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("members", nargs="+", metavar="MEMBER")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--held-out", action="store_true")
    options = parser.parse_args()
    params, rows = prepare_tasks(options.work, (ROOT / "benchmarks/gpu.yaml").read_text(), options.members), []
    for name in options.members:
        for row in _figures(params, params.members[name], range(options.seeds), options.held_out):
            rows.append({"member": name, **row})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    print(markdown(table.groupby("member", sort=False).mean().map("{:.2f}".format).reset_index()))
    kind_of_rows = "held out" if options.held_out else "test"
    results.write("gpu_seconds", [row for name in options.members for row in _rows(params, name, table, kind_of_rows)])


def _rows(params: Params, name: str, table: pd.DataFrame, kind_of_rows: str) -> list[dict]:
    """Return a member's rows of results, for one view and for its task's views."""
    task, seeds = params.members[name].task, table[table["member"] == name]
    options = params.tasks[task].predict
    cost = {ours: seeds[column].mean() for ours, column in COSTS.items()}
    shared = {"task": task, "member": name, "rows": kind_of_rows, "epoch_selection": "last epoch", **cost}
    counts = {"one view": 1, "views": len(views(options.flip, options.shift_pixels))}
    return [
        {**shared, "views": count, **results.mean_and_error(seeds[column] / 100)} for column, count in counts.items()
    ]


def _figures(params: Params, member: Member, seeds: Iterable[int], held_out: bool) -> Iterator[dict[str, float]]:
    images, folds = paths.images(member.task), TaskData(member.task).folds
    labels, training = load_array(images / "train_labels.npy"), member.training
    rows = np.flatnonzero(folds != 0) if held_out else np.arange(len(labels))
    test_rows, right = np.flatnonzero(folds == 0), labels[folds == 0]
    if not held_out:
        right = right_classes(params, member.task)
        test_rows = np.arange(len(right))
    test = load_array(images / f"{'train' if held_out else 'test'}_{member.input}.npy")
    batch_size, options = batch_size_for(len(rows), training.batch_size), params.tasks[member.task].predict
    steps = steps_per_epoch(len(rows), batch_size)
    operations = 3 * size_of(member)["flops"] * steps * batch_size * training.epochs
    keras.config.set_dtype_policy(dtype_policy(training.precision))
    trainer = compile_trainer(
        build_model(member), training, phases(training, training.epochs)[0], steps, multi_label=False
    )
    for seed, (compile_seconds, seconds) in zip(seeds, _time_seeds(trainer, member, rows, labels, seeds), strict=True):
        view_probabilities = [
            probabilities(predict_logits(trainer, test, test_rows, *view), False)
            for view in views(options.flip, options.shift_pixels)
        ]
        yield {
            "seed": seed,
            "compiling": compile_seconds,
            "seconds": seconds,
            "one view": 100 * float((view_probabilities[0].argmax(axis=1) == right).mean()),
            "views": 100 * float((sum(view_probabilities).argmax(axis=1) == right).mean()),
            "PFLOP": operations / 1e15,
            "TFLOP/s": operations / seconds / 1e12,
        }


def _time_seeds(
    trainer: keras.Model, member: Member, rows: np.ndarray, labels: np.ndarray, seeds: Iterable[int]
) -> Iterator[tuple[float, float]]:
    """Train the model once for each seed. Yield the seconds of the first, compiling epoch, and of the seed's epochs."""
    training, images = member.training, paths.images(member.task)
    pixels = np.asarray(load_array(images / f"train_{member.input}.npy"))
    targets = one_hot(labels, len(TaskData(member.task).classes))
    untouched, started = copies(trainer.optimizer.variables), time.monotonic()
    batch_size = batch_size_for(len(rows), training.batch_size)

    def train(seed: int, epochs: int) -> None:
        batches = TrainingBatches(pixels, targets, rows, batch_size, member.augment, (seed, 0))
        fit(trainer, batches, [SeedEpoch(batches)], epochs=epochs)

    train(0, 1)
    compile_seconds = time.monotonic() - started
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        trainer.set_weights(build_model(member).get_weights())
        set_variables(trainer.optimizer.variables, untouched)
        started = time.monotonic()
        train(seed, training.epochs)
        yield compile_seconds, time.monotonic() - started


if __name__ == "__main__":
    main()
