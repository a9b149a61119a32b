"""Does tuning pay? Compare the default member with its best of 30 trials, in five folds of Fashion-MNIST's first rows.

    FASHION_MNIST_DIR=<folder> nice python -m benchmarks.tune WORK [--rows 10000] [--trials 30] [--source fashion-mnist]

The member is `fashion-fast` of benchmarks/params.yaml at width 1. Its width is not tuned, because a wider network is
always better and more expensive. It takes about an hour on one core. A killed run resumes from the folder WORK. Trials
are scored on fold 0, so its rows influenced the options. Only the score on the other four folds is unbiased.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import yaml

from benchmarks import results
from benchmarks.stages import ROOT, csv_task, prepare_tasks, run
from features.labels.intervals import bounds, with_bounds

TASK = csv_task("images", 5)
SPACE = {  # laid over the architecture's
    "options": {"width": None},
    "augment": {
        "shift_pixels": [0, 1, 2, 3],
        "rotation_degrees": {"low": 0.0, "high": 10.0},
        "erase_probability": {"low": 0.0, "high": 0.5},
    },
}


def main() -> None:
    """Run the stages of both members, then print their scores."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--source", default="fashion-mnist")
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    entry = yaml.safe_load((ROOT / "benchmarks/params.yaml").read_text(encoding="utf-8"))["members"]["fashion-fast"]
    training = entry["training"] | {"epochs": options.epochs}
    member = entry | {"task": "images", "options": {"width": 1.0}, "training": training}
    tree = {
        "replicas": {"images": {"form": "fashion", "source": options.source, "train_rows": options.rows}},
        "tasks": {"images": TASK},
        "members": {"defaults": member, "tuned": member | {"tune": {"trials": options.trials, "space": SPACE}}},
    }
    prepare_tasks(options.work, yaml.safe_dump(tree, sort_keys=False))
    for member in ("defaults", "tuned"):
        if not Path("artifacts/images/predictions", member).exists():
            for stage in ("tune", "train", "predict"):
                run(Path(), stage, member)
    _compare()


def _compare() -> None:
    right = {name: _is_right(name) for name in ("defaults", "tuned")}
    folds = np.genfromtxt("artifacts/images/folds.csv", delimiter=",", skip_header=1, dtype=int)[:, 1]
    study = json.loads(Path("artifacts/images/studies/tuned/study.json").read_text())
    print(f"\ntrials: {study['trials']}, best {study['best']}")
    for title, rows in (("five folds", folds >= 0), ("folds 1 to 4", folds > 0)):
        figures = {name: right_rows[rows].mean() for name, right_rows in right.items()}
        gain = right["tuned"][rows].astype(float) - right["defaults"][rows]
        tuned = with_bounds(figures["tuned"], **bounds(figures["tuned"], rows.sum()))
        paired = gain.std() / np.sqrt(rows.sum())
        print(
            f"{title}: defaults {figures['defaults']:.4f}, tuned {tuned}, gain {gain.mean():+.4f} ± {paired:.4f} paired"
        )
        gains = {"defaults": {}, "tuned": {"gain": gain.mean(), "gain_error": paired}}
        shared = {"task": "fashion", "rows": title, "seeds": 1}
        results.write(
            "tuning",
            [
                {
                    **shared,
                    "member": name,
                    "accuracy": figures[name],
                    **bounds(figures[name], rows.sum()),
                    **gains[name],
                }
                for name in figures
            ],
        )


def _is_right(member: str) -> np.ndarray:
    """Return whether each training row's out-of-fold prediction is right, in the order of the images."""
    with np.load(f"artifacts/images/predictions/{member}/oof.npz") as predictions:
        order = np.argsort(predictions["ids"])
        predicted = predictions["classes"][predictions["probabilities"].argmax(axis=1)][order]
    ids = np.load("artifacts/images/images/train_ids.npy")
    labels = np.load("artifacts/images/images/train_labels.npy")
    classes = json.loads(Path("artifacts/images/images/about.json").read_text())["classes"]
    return predicted[np.searchsorted(np.sort(ids), ids)] == np.array(classes)[labels]


if __name__ == "__main__":
    main()
