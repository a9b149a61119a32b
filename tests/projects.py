"""Tiny competitions for the tests: raw files and a `params.yaml` in a folder of their own."""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from pipeline import ingest, prepare, roster, split, tune
from pipeline.config.schema import Params, load_params
from pipeline.storage import paths
from pipeline.storage.files import save_json

ROOT = Path(__file__).parent.parent
TINY = {"fast": {"width": 0.25}, "resnet": {"stem_filters": 4, "filters": [8, 8]}}


def task(folder: str, **changes) -> dict:
    """Return a task of CSVs."""
    return {
        "ingest": {
            "folder": folder,
            "train": {"images": "train.csv"},
            "test": {"images": "test.csv"},
            "sample_submission": "sample.csv",
        },
        "prepare": {},
        "split": {"count": 3},
        "predict": {},
        "ensemble": {},
    } | changes


def member(name: str, architecture: str = "fast", **changes) -> dict:
    """Return a small member that trains in a second."""
    training = {"epochs": 2, "batch_size": 16, "learning_rate": 5e-3} | changes.pop("training", {})
    return {"task": name, "architecture": architecture, "options": TINY[architecture], "training": training} | changes


def write_blobs(folder: Path, rows: int = 60, test_rows: int = 12, classes: int = 3, seed: int = 0) -> None:
    """Write raw CSVs of 12x12 images, where the class is the place of a bright square."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    labels = np.arange(rows + test_rows) % classes
    images = rng.integers(0, 60, (rows + test_rows, 12, 12))
    for image, label in zip(images, labels, strict=True):
        image[4 * label : 4 * label + 4, 2:8] += 180
    table = pd.DataFrame(images.reshape(len(images), -1), columns=[f"pixel{i}" for i in range(144)])
    table.insert(0, "Id", np.arange(len(table)))
    table.insert(1, "Label", labels)
    table[:rows].to_csv(folder / "train.csv", index=False)
    table[rows:].drop(columns="Label").to_csv(folder / "test.csv", index=False)
    table[rows:][["Id", "Label"]].assign(Label=0).to_csv(folder / "sample.csv", index=False)
    usage = ["Public", "Private", "Private"] * (test_rows // 3)
    table[rows:][["Id", "Label"]].assign(Usage=usage).to_csv(folder / "solution.csv", index=False)


def write_params(root: Path, tasks: dict, members: dict, **others) -> None:
    """Write `params.yaml`."""
    tree = {"tasks": tasks, "members": members, "replicas": {}} | others
    (root / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))


def to_folds(members: dict, others: dict | None = None, **changes) -> Params:
    """Write a project with the task `blobs` (raw files in `raw`) into the working folder and run it up to the folds."""
    write_params(Path(), {"blobs": task("raw", **changes)}, members, **(others or {}))
    params = load_params(paths.PARAMS)
    for run in (ingest.ingest, prepare.prepare, split.split):
        run(params, "blobs")
    roster.roster(params)
    return params


def to_tuned_members(members: dict, **changes) -> Params:
    """Bring the task `blobs` to two folds, and its members to the options with which they train."""
    params = to_folds(members, **({"split": {"count": 2}} | changes))
    for name in members:
        tune.tune(params, name)
    return params


def models_of(name: str = "m") -> dict[str, Path]:
    """Return the files that `train` wrote for a member of the task `blobs`, by their names."""
    return {path.name: path for path in paths.models("blobs", name).iterdir()}


def write_task(key: str, classes: list, labels: list | None = None, metric: str = "accuracy") -> None:
    """Write what the last stages read of a task: its classes, its training labels, its metric."""
    paths.images(key).mkdir(parents=True, exist_ok=True)
    save_json(paths.images(key) / "about.json", {"classes": classes, "image": [12, 12, 1], "items": None})
    np.save(paths.images(key) / "train_labels.npy", np.array([0] if labels is None else labels))
    entry = paths.entry("tasks", key, "metric")
    entry.parent.mkdir(parents=True, exist_ok=True)
    save_json(entry, {"name": metric, "k": 5, "positive": None})


def environment() -> dict[str, str]:
    """Return an environment in which commands find the project's packages and this interpreter's scripts."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


def jax_environment() -> dict[str, str]:
    """Return an environment for commands on the JAX backend, whose programs are compiled fast instead of running fast.

    It has no folder of compiled programs, which this process may have set for itself.
    """
    inherited = {name: value for name, value in environment().items() if not name.startswith("JAX_")}
    flags = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    least_seconds = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1"}  # else a fast machine keeps no program
    return inherited | least_seconds | {"KERAS_BACKEND": "jax", "XLA_FLAGS": flags}
