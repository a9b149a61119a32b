"""The results of a finished run, written without training: for tests of what reads them."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, softmax

from features.labels.metrics.registry import METRICS
from features.labels.metrics.report import report as figures_of
from features.labels.parts import scoring_parts
from features.labels.uncertainty import score_with_interval
from pipeline.config.schema import Params, load_params
from pipeline.ensemble import ensemble
from pipeline.storage import paths
from pipeline.storage.files import save_json
from pipeline.storage.predictions import Predictions, fold_test, save_predictions
from submissions.ledger import append
from submissions.rules.uploads import COLUMNS, Entry
from tests.projects import member, task, write_params

FOLDS = 3
HOSTILE = ["<script>alert(1)</script>", "\"'&{{ 7 * 7 }}</style>", "Größe 猫 \u202e $\\frac{$", "</svg><b>\x1b[0m"]
ROWS, TEST_ROWS = 90, 20


def write_run(
    key: str = "shoes",
    classes: list | None = None,
    label_sets: bool = False,
    members: tuple[str, ...] = ("fast", "slow"),
    shape: tuple[int, int, int] = (12, 12, 1),
    ids: list[str] | None = None,
    rows: int = ROWS,
    metric: str = "accuracy",
) -> Params:
    """Write all results of a task into the working folder, by members that are the better the later they come.

    A tenth of the labels is wrong: those of the first rows.
    """
    classes, rng = classes or ["cat", "dog", "<owl>"], np.random.default_rng(0)
    names = [f"{key}-{name}" for name in members]
    entries = {name: member(key, augment={"flip": True, "shift_pixels": 1}) for name in names}
    write_params(Path(), {key: task("raw", metric=metric, ensemble={"method": "mean"})}, entries)
    params = load_params(paths.PARAMS)
    truth = _truth(rows, len(classes), label_sets, rng)
    write_images(key, classes, truth, shape, ids, metric, names)
    for place, name in enumerate(names):
        save_entry(paths.tuning(key, name), params.members[name].model_dump(mode="json"))
        write_training(key, name, gap=0.3 if place == 0 else 0.01)
        write_predictions(key, name, classes, truth, 1.0 + place, metric, rng)
    ensemble(params, key)
    return params


def write_uploads(*entries: dict[str, str], key: str = "shoes") -> None:
    """Append uploads to the ledger, each with the given values and as complete."""
    empty = dict.fromkeys(COLUMNS, "") | {"task": key, "status": "complete", "time": "2026-05-04T03:02:01+00:00"}
    for number, entry in enumerate(entries):
        append(Entry(**empty | {"upload": f"{key}-{number}"} | entry))


def save_entry(path: Path, value: object) -> None:
    """Write a JSON file and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_json(path, value)


def _truth(rows: int, classes: int, label_sets: bool, rng: np.random.Generator) -> np.ndarray:
    if label_sets:
        return rng.random((rows, classes)) < 0.4
    return np.arange(rows) % classes


def wrong_rows(rows: int = ROWS) -> int:
    """Return how many rows, the first ones, have a wrong label."""
    return rows // 10


def labels_of(truth: np.ndarray) -> np.ndarray:
    """Return the labels: true ones, but for the first rows."""
    labels, wrong = truth.copy(), wrong_rows(len(truth))
    if truth.ndim == 2:
        labels[:wrong, 0] = ~labels[:wrong, 0]
    else:
        labels[:wrong] = (labels[:wrong] + 1) % (truth.max() + 1)
    return labels


def write_images(
    key: str,
    classes: list,
    truth: np.ndarray,
    shape: tuple[int, int, int],
    ids: list[str] | None,
    metric: str,
    members: list[str],
) -> None:
    """Write what `prepare`, `split` and `roster` write."""
    folder, rng = paths.images(key), np.random.default_rng(1)
    folder.mkdir(parents=True)
    train_ids = np.array((ids or []) + [f"img_{row}.png" for row in range(len(ids or []), len(truth))])
    labels = labels_of(truth)
    save_json(folder / "about.json", {"classes": classes, "image": list(shape), "items": None})
    for split, count in (("train", len(truth)), ("test", TEST_ROWS)):
        np.save(folder / f"{split}_images.npy", rng.integers(0, 256, (count, *shape), np.uint8))
    np.save(folder / "train_labels.npy", labels)
    np.save(folder / "train_ids.npy", train_ids)
    np.save(folder / "test_ids.npy", np.array([f"test_{row}.png" for row in range(TEST_ROWS)]))
    first, second = train_ids[:2].tolist()
    audit = {
        "warnings": [f"1 training image occurs with several labels, for example id {first}"],
        "conflicting_labels": {"groups": 1, "rows": 2, "examples": [{"ids": [first, second], "labels": classes[:2]}]},
        "duplicates_across_train_and_test": {"groups": 1, "examples": [{"train": [first], "test": ["test_0.png"]}]},
        "constant_images": {"train": {"rows": 1, "examples": [second]}, "test": {"rows": 0, "examples": []}},
    }
    save_json(folder / "audit.json", audit)
    table = pd.DataFrame({"id": train_ids, "fold": np.arange(len(truth)) % FOLDS})
    table.to_csv(paths.folds(key), index=False)
    save_entry(paths.entry("tasks", key, "metric"), {"name": metric, "k": 5, "positive": None})
    save_entry(paths.roster(key), members)


def write_training(key: str, name: str, gap: float, epochs: int = 4) -> None:
    """Write what `train` writes but for the models. Training and validation accuracy differ by `gap` at the end."""
    folder, runs = paths.models(key, name), []
    folder.mkdir(parents=True)
    progress = np.linspace(0.25, 1, epochs)
    for fold in range(FOLDS):
        accuracy = 0.98 * progress
        columns = {
            "epoch": np.arange(1, epochs + 1),
            "learning_rate": np.geomspace(1e-2, 1e-4, epochs),
            "loss": 2 - 1.9 * progress,
            "accuracy": accuracy,
            "val_loss": 2 - 1.8 * progress,
            "val_accuracy": accuracy - gap * progress,
        }
        pd.DataFrame(columns).to_csv(folder / f"fold-{fold}.csv", index=False)
        runs.append({"name": f"fold-{fold}", "epochs": epochs, "best_epoch": epochs, "loss": 0.1, "accuracy": 0.98})
    layers = [
        {"kind": "Conv2D", "shape": [12, 12, 8], "parameters": 80, "flops": 20_736},
        {"kind": "Dense", "shape": [3], "parameters": 27, "flops": 48},
    ]
    size = {"architecture": "fast", "layers": 2, "parameters": 107, "flops": 20_784}
    save_json(folder / "run.json", {"member": name, **size, "runs": runs})
    save_json(folder / "layers.json", layers)
    save_entry(paths.times(key, name), {"seconds_per_epoch": {f"fold-{fold}": 0.5 for fold in range(FOLDS)}})


def write_predictions(
    key: str, name: str, classes: list, truth: np.ndarray, skill: float, metric: str, rng: np.random.Generator
) -> None:
    """Write what `predict` writes. The logits of the true classes are higher by about 3 times `skill`."""
    folder = paths.predictions(key, name)
    folder.mkdir(parents=True)
    is_class = truth if truth.ndim == 2 else truth[:, None] == np.arange(len(classes))
    activate = expit if truth.ndim == 2 else lambda logits: softmax(logits, axis=1)
    oof = activate(3 * skill * (is_class - 0.5) + rng.normal(size=is_class.shape)).astype(np.float32)
    folds, labels = np.arange(len(truth)) % FOLDS, labels_of(truth)
    train_ids, test_ids = (np.load(paths.images(key) / f"{split}_ids.npy") for split in ("train", "test"))
    save_predictions(folder / "oof.npz", Predictions(train_ids, oof, classes, folds))
    test = activate(rng.normal(size=(TEST_ROWS, len(classes)))).astype(np.float32)
    for file in ("test.npz", *(fold_test(fold) for fold in range(FOLDS))):
        save_predictions(folder / file, Predictions(test_ids, test, classes))
    judge = METRICS[metric]
    decided = judge.honest(oof, labels, scoring_parts(folds))
    scores = {"metric": metric, **score_with_interval(judge, decided, labels), **figures_of(oof, labels)}
    decision = {"decision": judge.fit(oof, labels).as_json()}
    save_json(folder / "metrics.json", {"rows": len(truth), **scores, **decision})
