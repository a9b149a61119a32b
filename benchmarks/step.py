"""Measure the milliseconds of a training step and, with JAX on a GPU, those of its kernels by kind.

    FASHION_MNIST_DIR=<folder> KERAS_BACKEND=jax python -m benchmarks.step WORK MEMBER ...

The members of benchmarks/gpu.yaml train on their task's images. TFLOP/s count three times the forward pass of
convolutions and dense layers. Kernels come from a trace of JAX's profiler, which slows the traced steps.
"""

import argparse
import gzip
import json
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.running.backend import keras  # before what imports Keras itself
from pipeline.storage.task_data import TaskData

# isort: split

from benchmarks import results
from benchmarks.stages import ROOT, prepare_tasks
from features.labels.targets import one_hot
from models.parts.compiling import dtype_policy
from pipeline.config.schema import Member
from pipeline.reporting.tables import markdown
from pipeline.storage import paths
from pipeline.storage.files import load_array
from pipeline.training.batches import TrainingBatches, batch_size_for
from pipeline.training.epoch import fit
from pipeline.training.network import build_model, size_of
from pipeline.training.phases import compile_trainer, phases

STEPS, TRACED_STEPS = 200, 8
KINDS = {  # of kernels: the first whose pattern occurs in the name of a kernel or of its source operation
    "convolutions and their gradients": r"conv(?!ert)",
    "products of matrices": r"gemm|nvjet|dot",
    "windows and scattering": r"window|scatter",
    "copies": r"(?i)memcpy|memset",
    "all else": "",
}


def main() -> None:
    """Time a step of each member, and print its kernels if JAX can trace them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("members", nargs="+", metavar="MEMBER")
    options = parser.parse_args()
    params = prepare_tasks(options.work, (ROOT / "benchmarks/gpu.yaml").read_text(), options.members)
    for name in options.members:
        member = params.members[name]
        images = paths.images(member.task)
        pixels = load_array(images / f"train_{member.input}.npy")
        targets = one_hot(load_array(images / "train_labels.npy"), len(TaskData(member.task).classes))
        learn = learner(member, pixels, targets)
        _, seconds = speed(learn)
        batch_size = batch_size_for(len(targets), member.training.batch_size)
        operations = 3 * size_of(member)["flops"] * batch_size
        print(f"{name}: {1000 * seconds:.2f} ms a step, {operations / seconds / 1e12:.0f} TFLOP/s", flush=True)
        rows = [{"member": "a step", "milliseconds": 1000 * seconds, "tflops": operations / seconds / 1e12}]
        if keras.backend.backend() == "jax":
            table = _kernels(learn)
            print(markdown(table))
            rows += [{"member": row["kind"], "milliseconds": row["ms a step"]} for row in table.to_dict("records")]
        shared = {"task": member.task, "setting": "" if name == "fashion-long" else name}
        results.write("step", [{**shared, **row} for row in rows])


def learner(member: Member, pixels: np.ndarray, targets: np.ndarray) -> Callable[[int, Callable], None]:
    """Return a function that trains a new model of the member for some steps and calls back after each."""
    trainer, batch_size = new_trainer(member, 1, 1000), batch_size_for(len(targets), member.training.batch_size)

    def train(steps: int, on_batch_end: Callable[[int, dict | None], None]) -> None:
        rows = np.resize(np.arange(len(targets)), steps * batch_size)
        batches = TrainingBatches(pixels, targets, rows, batch_size, member.augment, (0, 0))
        fit(trainer, batches, [keras.callbacks.LambdaCallback(on_train_batch_end=on_batch_end)])

    return train


def new_trainer(member: Member, epochs: int, steps: int) -> keras.Model:
    """Return a new model of the member, compiled for so many epochs of so many steps."""
    keras.config.set_dtype_policy(dtype_policy(member.training.precision))
    model = build_model(member)
    return compile_trainer(model, member.training, phases(member.training, epochs)[0], steps, multi_label=False)


def speed(learn: Callable[[int, Callable], None]) -> tuple[float, float]:
    """Return the seconds of start and compilation, and the seconds of a step."""
    times, started = [], time.monotonic()
    learn(STEPS, lambda batch, _: times.append((batch + 1, time.monotonic() - started)))
    (first_steps, first), (_, last) = times[0], times[-1]
    seconds = (last - first) / (STEPS - first_steps)
    return first - first_steps * seconds, seconds


def _kernels(learn: Callable[[int, Callable], None]) -> pd.DataFrame:
    """Return the milliseconds and kernels per step by kind, in a GPU's streams. On a CPU there are no rows."""
    import jax  # the profiler of one backend

    learn(TRACED_STEPS, lambda *_: None)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            learn(TRACED_STEPS, lambda *_: None)
        (path,) = Path(folder).rglob("*.trace.json.gz")
        return kernels(path, TRACED_STEPS)


def kernels(path: Path, steps: int) -> pd.DataFrame:
    """Return `kind`, `ms a step` and `kernels a step` of a trace file of JAX's profiler."""
    with gzip.open(path, "rt") as file:
        events = [event for event in json.load(file)["traceEvents"] if event]  # the last one can be empty
    names = {
        (event["pid"], event.get("tid")): event["args"]["name"]
        for event in events
        if event["name"] in ("process_name", "thread_name")
    }
    durations = [
        (_kind(f"{event['name']} {event.get('args', {}).get('hlo_op', '')}"), event["dur"] / 1000 / steps)
        for event in events
        if event["ph"] == "X"
        and "GPU" in names.get((event["pid"], None), "")
        and "Stream" in names.get((event["pid"], event["tid"]), "")
    ]
    rows = pd.DataFrame(durations, columns=["kind", "ms"]).groupby("kind")["ms"].agg(["sum", "count"])
    rows = rows.reindex([kind for kind in KINDS if kind in rows.index]).reset_index()
    return rows.assign(sum=rows["sum"].map("{:.2f}".format), count=(rows["count"] / steps).round().astype(int)).rename(
        columns={"sum": "ms a step", "count": "kernels a step"}
    )


def _kind(name: str) -> str:
    return next(kind for kind, pattern in KINDS.items() if re.search(pattern, name))


if __name__ == "__main__":
    main()
