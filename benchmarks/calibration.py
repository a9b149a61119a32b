"""Where do temperatures belong: before or after the folds' models are averaged, and are logits averaged? On digits.

    nice python -m benchmarks.calibration WORK [--seeds 4]

Trains a small network on three folds a seed, for one label an image and for label sets, and scores the mean of the
three on the test rows. Temperatures and thresholds are fitted on out-of-fold rows alone. Writes the rows of
benchmarks/results/calibration.csv: accuracy, log-loss and macro F1 are means over the seeds; `single_log_loss` is what
a single fold's model has on average on the same rows. A run that was killed goes on in the folder WORK. About ten
minutes on two cores.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from benchmarks import results
from benchmarks.stages import csv_task, prepared, run
from features.calibration import calibrated_models, calibrated_rows, fit_temperatures
from features.ensembling import averaged
from features.labels.metrics import log_loss, report, set_scores
from features.labels.targets import as_binary, from_binary
from features.labels.thresholds import choose, fit_thresholds
from pipeline.readers.submissions import read_csv
from pipeline.storage import paths
from pipeline.storage.files import align, load_array, load_json
from pipeline.storage.predictions import load_aligned, load_test_models
from submissions.rules.label_sets import indicators

FOLDS = 3
SEPARATOR = " "
TRAINING = {"batch_size": 32, "optimiser": "muon", "learning_rate": 1e-2, "label_smoothing": 0.1}
MEMBER = {"architecture": "fast", "options": {"width": 0.5}, "augment": {"shift_pixels": 2}}


def main() -> None:
    """Train what is missing, then write and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    keys = [f"{name}-{seed}" for seed in range(options.seeds) for name in ("digits", "kinds")]
    prepared(options.work, yaml.safe_dump(_params(keys), sort_keys=False))
    rows = []
    for key in keys:
        if not paths.predictions(key, f"{key}-fast").exists():
            for stage in ("tune", "train", "predict"):
                run(Path(), stage, f"{key}-fast")
        rows += _rows(key)
    table = pd.DataFrame(rows)
    scores = ["log_loss", "single_log_loss", "macro_f1"]
    written = [
        {
            "task": task,
            "member": variant,
            "rows": "test",
            **results.mean_and_error(each["accuracy"]),
            **each[scores].mean(),
        }
        for (task, variant), each in table.groupby(["task", "variant"], sort=False)
    ]
    print(pd.DataFrame(written).round(4).to_string())
    print(results.write("calibration", written))


def _params(keys: list[str]) -> dict:
    tree: dict = {"replicas": {}, "tasks": {}, "members": {}}
    for key in keys:
        kind, _, seed = key.partition("-")
        tree["tasks"][key] = csv_task(key, FOLDS)
        tree["tasks"][key]["split"]["seed"] = int(seed)
        if kind == "kinds":
            tree["replicas"][key] = {"form": "item_kinds", "train_rows": 200, "test_rows": 1000}
            tree["tasks"][key]["ingest"] |= {
                "train": {"images": "Train.pkl", "labels": "TrainLabels.csv", "label_separator": SEPARATOR},
                "test": {"images": "Test.pkl"},
                "sample_submission": "ExampleSubmissionRandom.csv",
            }
        else:
            tree["replicas"][key] = {"form": "fashion", "train_rows": 200}
        tree["replicas"][key] |= {"source": "digits", "pool": "disjoint", "seed": int(seed)}
        training = TRAINING | {"epochs": 12 if kind == "kinds" else 8, "seed": int(seed)}
        tree["members"][f"{key}-fast"] = MEMBER | {"task": key, "training": training}
    return tree


def _rows(key: str) -> list[dict]:
    """Return the test scores of every variant."""
    kind, _, seed = key.partition("-")
    images, member = paths.images(key), paths.predictions(key, f"{key}-fast")
    classes, labels = load_json(images / "about.json")["classes"], np.asarray(load_array(images / "train_labels.npy"))
    ids, test_ids = load_array(images / "train_ids.npy"), load_array(images / "test_ids.npy")
    label_sets = labels.ndim == 2
    made = load_aligned(member / "oof.npz", ids, classes, label_sets)
    models = load_test_models(member, test_ids, classes, label_sets)
    truth = _answers(key, test_ids, classes, label_sets)
    variants = _label_sets if label_sets else _single_labels
    return [
        {"task": kind, "seed": int(seed), **figures}
        for figures in variants(made.probabilities, made.folds, labels, models, truth)
    ]


def _answers(key: str, ids: np.ndarray, classes: list, label_sets: bool) -> np.ndarray:
    solution = read_csv(paths.replica(key) / "solution.csv")
    answers = solution.iloc[align(ids, solution.iloc[:, 0].to_numpy()), 1].to_numpy(str)
    if label_sets:
        return indicators(answers, classes, SEPARATOR).astype(np.uint8)
    return np.searchsorted(np.array(classes).astype(str), answers)


def _means(
    oof: np.ndarray, folds: np.ndarray, labels: np.ndarray, models: np.ndarray
) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield each variant with its temperatures (folds,), calibrated models and their mean."""
    one = np.repeat(fit_temperatures(oof[None], labels, np.zeros_like(folds))[0], FOLDS)
    after = calibrated_models(models.mean(axis=0, keepdims=True), one)
    yield "one temperature after the mean", one, calibrated_models(models, one), after[0]
    each_fold = fit_temperatures(oof[None], labels, folds)[0]
    for name, temperatures in {"no": np.ones(FOLDS), "one": one, "each fold's": each_fold}.items():
        calibrated = calibrated_models(models, temperatures)
        yield f"{name} temperature, mean of probabilities", temperatures, calibrated, calibrated.mean(axis=0)
        yield f"{name} temperature, mean of logits", temperatures, calibrated, averaged(calibrated)[0]


def _single_labels(
    oof: np.ndarray, folds: np.ndarray, labels: np.ndarray, models: np.ndarray, truth: np.ndarray
) -> Iterator[dict]:
    for name, _, calibrated, mean in _means(oof, folds, labels, models):
        found = report(mean, truth)
        scores = {"accuracy": found["accuracy"], "macro_f1": found["f1"]}
        yield {"variant": name, **_losses(calibrated, mean, truth), **scores}


def _label_sets(
    oof: np.ndarray, folds: np.ndarray, labels: np.ndarray, models: np.ndarray, truth: np.ndarray
) -> Iterator[dict]:
    """Return the same with thresholds that are fitted on the out-of-fold rows."""
    count, each_label = labels.shape[1], np.repeat(folds, labels.shape[1])
    flat, flat_labels, flat_truth = as_binary(oof), labels.reshape(-1).astype(int), truth.reshape(-1).astype(int)
    for name, temperatures, calibrated, mean in _means(flat, each_label, flat_labels, as_binary(models)):
        on_rows = from_binary(calibrated_rows(flat[None], temperatures[None], each_label)[0], count)
        chosen = choose(from_binary(mean, count), fit_thresholds(on_rows, labels), at_least_one=True)
        found = set_scores(chosen, truth)
        scores = {"accuracy": found["accuracy"], "macro_f1": found["macro_f1"]}
        yield {"variant": name, **_losses(calibrated, mean, flat_truth), **scores}


def _losses(models: np.ndarray, mean: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    single = np.mean([log_loss(each, truth) for each in models])
    return {"log_loss": log_loss(mean, truth), "single_log_loss": float(single)}


if __name__ == "__main__":
    main()
