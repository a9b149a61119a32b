"""Measure how time and memory of every stage grow with the number and the size of images. The images are noise.

    python -m benchmarks.scale

Trains one fold and one epoch of the default network. Multiply by folds, epochs and members. Memory is the peak of a
stage's own process. It takes about ten minutes on two cores.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from benchmarks import results
from benchmarks.stages import ROOT, csv_task
from pipeline.reporting.tables import markdown

SIZES = ((5000, 28), (20_000, 28), (60_000, 28), (5000, 56), (5000, 112))  # images, pixels a side
STAGES = {"ingest": "noise", "prepare": "noise", "split": "noise", "tune": "fast", "train": "fast", "predict": "fast"}


def main() -> None:
    """Run the stages on every size and print a row for each size."""
    rows = []
    for images, pixels in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            costs = _costs(Path(folder), images, pixels)
            size = {"images": images, "pixels": f"{pixels}x{pixels}"}
            results.write("scale", [{"member": stage, **size, **cost} for stage, cost in costs.items()])
            texts = {stage: f"{cost['seconds']:.1f} s, {cost['peak_gib']:.2f} GiB" for stage, cost in costs.items()}
            rows.append({**size, "images": f"{images:,}", **texts})
    print(markdown(pd.DataFrame(rows)))


def _costs(folder: Path, images: int, pixels: int) -> dict[str, dict[str, float]]:
    raw, rng = folder / "raw", np.random.default_rng(0)
    raw.mkdir()
    for name, count in (("train", images), ("test", images // 5)):
        np.save(raw / f"{name}.npy", rng.integers(0, 256, (count, pixels, pixels), dtype=np.uint8))
    pd.DataFrame({"id": range(images), "label": np.arange(images) % 10}).to_csv(raw / "labels.csv", index=False)
    pd.DataFrame({"id": range(images // 5), "label": 0}).to_csv(raw / "sample.csv", index=False)
    files = {
        "folder": "raw",
        "train": {"images": "train.npy", "labels": "labels.csv"},
        "test": {"images": "test.npy"},
        "sample_submission": "sample.csv",
    }
    task = csv_task("noise", 1, ingest=files, split={"count": 1, "holdout_share": 0.1})
    member = {"task": "noise", "architecture": "fast", "training": {"epochs": 1, "learning_rate": 1e-3}}
    tree = {"replicas": {}, "tasks": {"noise": task}, "members": {"fast": member}}
    (folder / "params.yaml").write_text(yaml.safe_dump(tree))
    costs = {stage: _cost(folder, stage, key) for stage, key in STAGES.items()}
    return {stage: cost for stage, cost in costs.items() if stage != "tune"}


def _cost(folder: Path, stage: str, key: str) -> dict[str, float]:
    """Run a stage and return its seconds and the peak of its memory."""
    started = time.monotonic()
    command = [sys.executable, "-m", f"pipeline.{stage}", key]
    with (folder / "log.txt").open("a") as log:
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=log)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return {"seconds": time.monotonic() - started, "peak_gib": usage.ru_maxrss / 2**20}


if __name__ == "__main__":
    main()
