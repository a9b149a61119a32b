"""Measure time and memory of the stage `ensemble` with all methods: 20 members, 60 000 rows, 10 classes.

python -m benchmarks.ensemble [members] [rows] [classes]
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.special import softmax

from benchmarks import results
from pipeline.storage import paths
from pipeline.storage.files import save_json
from pipeline.storage.predictions import Predictions, save_predictions

ROOT = Path(__file__).parents[1]
PARAMS = """
members: {}
tasks:
  made_up:
    ingest: {folder: none, train: {images: none}, test: {images: none}, sample_submission: none}
    prepare: {}
    split: {}
    predict: {}
    ensemble: {method: auto}
"""
MEMBERS, ROWS, CLASSES = 20, 60_000, 10
FOLDS, TEST_SHARE = 5, 6


def main() -> None:
    """Generate members that share most of their errors, run the stage on them, and print its time and memory."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        _make_up(MEMBERS, ROWS, CLASSES)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        started = time.monotonic()
        subprocess.run([sys.executable, "-m", "pipeline.ensemble", "made_up"], env=environment, check=True)
        seconds = time.monotonic() - started
        peak_gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        summary = json.loads((paths.ensemble("made_up") / "ensemble.json").read_text())
        print(json.dumps({name: summary[name] for name in ("method", "methods", "gain_over_best_member")}, indent=2))
        title = f"stage ensemble, method auto, {MEMBERS} members, {ROWS:,} rows, {CLASSES} classes".replace(",0", " 0")
        print(f"{title}: {seconds:.1f} s, peak {peak_gib:.2f} GiB")
        results.write("parts", [{"member": title, "seconds": seconds, "peak_gib": peak_gib}])


def _make_up(members: int, rows: int, classes: int) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, rows)
    folds, ids = np.arange(rows) % FOLDS, np.arange(rows)
    images = paths.images("made_up")
    images.mkdir(parents=True)
    np.save(images / "train_ids.npy", ids)
    np.save(images / "train_labels.npy", labels)
    np.save(images / "test_ids.npy", ids[: rows // TEST_SHARE])
    save_json(images / "about.json", {"classes": list(range(classes))})
    np.savetxt(paths.folds("made_up"), np.stack([ids, folds], axis=1), "%d", ",", header="id,fold", comments="")
    Path("params.yaml").write_text(PARAMS, encoding="utf-8")
    names = [f"member-{index}" for index in range(members)]
    paths.roster("made_up").parent.mkdir(parents=True)
    save_json(paths.roster("made_up"), names)
    save_json(paths.entry("tasks", "made_up", "metric"), {"name": "accuracy", "k": 5, "positive": None})
    shared = 4.0 * np.eye(classes)[labels] + 1.2 * rng.normal(size=(rows, classes))
    for index, name in enumerate(names):
        logits = shared + (0.6 + 0.05 * index) * rng.normal(size=(rows, classes))
        probabilities = softmax(logits, axis=1).astype(np.float32)
        save_predictions(
            paths.predictions("made_up", name) / "oof.npz", Predictions(ids, probabilities, list(range(classes)), folds)
        )
        test = Predictions(ids[: rows // TEST_SHARE], probabilities[: rows // TEST_SHARE], list(range(classes)))
        save_predictions(paths.predictions("made_up", name) / "test.npz", test)


if __name__ == "__main__":
    main()
