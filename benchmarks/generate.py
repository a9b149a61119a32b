"""Measure the gain of generated images when real ones are few: the `fashion` CNN on 2 000 images, with and without.

    FASHION_MNIST_DIR=<folder> python -m benchmarks.generate [FOLDER]

With FOLDER, its files are kept there, among them artifacts/fashion/generated/samples.png. It takes about a quarter of
an hour on two cores. The two members of a seed differ only in the share of generated images and train for equally many
steps. The test images are the 10 000 of Fashion-MNIST.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks import results
from benchmarks.stages import csv_task, run
from features.labels.intervals import with_bounds

ROWS, FOLDS, SEEDS, SHARE = 2000, 3, (0,), 0.3
TASK = csv_task("fashion", FOLDS, generate={"epochs": 60, "filters": 16, "learning_rate": 8e-4})
TRAINING = {"epochs": 25, "batch_size": 64, "learning_rate": 4e-3, "weight_decay": 0.02, "label_smoothing": 0.1}
MEMBER = {"task": "fashion", "architecture": "fast", "augment": {"flip": True, "shift_pixels": 1}}


def main() -> None:
    """Run the stages and print a line for each member."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(*sys.argv[1:2] or [temporary])
        folder.mkdir(parents=True, exist_ok=True)
        members = _members()
        params = {"replicas": {"fashion": {"form": "fashion", "source": "fashion-mnist", "train_rows": ROWS}}}
        params |= {"tasks": {"fashion": TASK}, "members": members}
        (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
        for stage in ("replica", "ingest", "prepare", "split"):
            _run_timed(folder, stage, "fashion")
        _run_timed(folder, "roster")
        _run_timed(folder, "generate", "fashion")
        for name in members:
            for stage in ("tune", "train", "predict"):
                _run_timed(folder, stage, name)
        for stage in ("ensemble", "submission", "score"):
            _run_timed(folder, stage, "fashion")
        tests = json.loads((folder / "artifacts/fashion/score.json").read_text())["members"]
        for name in members:
            metrics = json.loads((folder / f"artifacts/fashion/predictions/{name}/metrics.json").read_text())
            scores = {
                "out of fold": (metrics["score"], metrics["low"], metrics["high"]),
                "test": (tests[name]["score"], tests[name]["low"], tests[name]["high"]),
            }
            print(f"{name:16}", ", ".join(f"{rows} {with_bounds(*score)}" for rows, score in scores.items()))
            shared = {"task": "fashion", "member": name, "seeds": 1}
            figures = [dict(zip(("accuracy", "low", "high"), score, strict=True)) for score in scores.values()]
            results.write(
                "generated", [shared | {"rows": rows} | row for rows, row in zip(scores, figures, strict=True)]
            )


def _members() -> dict[str, dict]:
    entries = {}
    for seed in SEEDS:
        entry = MEMBER | {"training": TRAINING | {"seed": seed}}
        entries |= {f"real-{seed}": entry, f"generated-{seed}": entry | {"generated_share": SHARE}}
    return entries


def _run_timed(folder: Path, stage: str, *keys: str) -> None:
    started = time.monotonic()
    with (folder / "log.txt").open("a") as log:
        run(folder, stage, *keys, log=log)
    print(f"{' '.join([stage, *keys]):24} {time.monotonic() - started:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
