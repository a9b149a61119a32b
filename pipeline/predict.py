"""`python -m pipeline.predict MEMBER`: predict out-of-fold and test probabilities, averaged over views."""

from pathlib import Path

import numpy as np

from features.labels.intervals import with_bounds
from features.labels.metrics import report
from pipeline.config.schema import Member, Params, Predict
from pipeline.running.stage import member_of, run, task_of
from pipeline.storage import paths
from pipeline.storage.checkpoint import source_of
from pipeline.storage.files import load_array, save_json, writing
from pipeline.storage.folds import check_folds, load_folds
from pipeline.storage.images import load_about
from pipeline.storage.predictions import SOURCES, Predictions, fold_test, save_predictions
from pipeline.storage.tuned_options import load_tuned
from pipeline.training.fold_jobs import ALL_ROWS
from pipeline.training.network import averaged_probabilities, load_model


def predict(params: Params, key: str) -> str:
    """Write `oof.npz`, `test.npz`, `metrics.json` and, for a member's students, each fold's test probabilities."""
    name = member_of(params, key).task
    member, options, folder = load_tuned(name, key), task_of(params, name).predict, paths.images(name)
    classes, labels = load_about(folder)["classes"], load_array(folder / "train_labels.npy")
    folds = load_folds(name)
    check_folds(name, key)
    rows, oof, tests = _probabilities(member, key, options)
    metrics = {"rows": len(rows), **report(oof, labels[rows])}
    with writing(paths.predictions(name, key)) as part:
        part.mkdir()
        ids = load_array(folder / "train_ids.npy")[rows]
        save_predictions(part / "oof.npz", Predictions(ids, oof, classes, folds[rows]))
        _save_tests(part, member, tests, folds, classes)
        save_json(part / "metrics.json", metrics)
    score = with_bounds(metrics["accuracy"], metrics["low"], metrics["high"])
    return f"{len(rows)} out-of-fold rows with accuracy {score}, {tests.shape[1]} test rows"


def _save_tests(part: Path, member: Member, tests: np.ndarray, folds: np.ndarray, classes: list) -> None:
    """Write the test probabilities float32 (models, n, classes): their mean and, where each fold has some, each fold's.

    Beside them stands which model of a student may learn from them: from a fold's, the one with the same training rows;
    from the mean, the one on all rows, which is validated on none.
    """
    folder = paths.images(member.task)
    sets = {"test.npz": (tests.mean(axis=0), np.arange(len(folds)))}
    if not member.training.train_on_all:
        sets |= {fold_test(fold): (each, np.flatnonzero(folds != fold)) for fold, each in enumerate(tests)}
    ids = load_array(folder / "test_ids.npy")
    for name, (found, _) in sets.items():
        save_predictions(part / name, Predictions(ids, found, classes))
    save_json(part / SOURCES, {name: source_of(folder, rows) for name, (_, rows) in sets.items()})


def _probabilities(member: Member, key: str, options: Predict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the validation rows (m,), their probabilities (m, classes) and the test rows', (models, n, classes).

    Test rows are predicted by each fold's model or, with `train_on_all`, by the last one alone.
    """
    folder, models = paths.images(member.task), paths.models(member.task, key)
    folds = load_folds(member.task)
    train, test = (load_array(folder / f"{split}_{member.input}.npy") for split in ("train", "test"))
    rows, classes = np.flatnonzero(folds >= 0), len(load_about(folder)["classes"])
    oof, tests = np.zeros((len(folds), classes), np.float32), []
    multi_label = load_array(folder / "train_labels.npy").ndim == 2
    for fold in range(folds.max() + 1):
        model = load_model(models / f"fold-{fold}.keras")
        held_out = np.flatnonzero(folds == fold)
        oof[held_out] = averaged_probabilities(model, train, held_out, options, multi_label)
        if not member.training.train_on_all:
            tests.append(averaged_probabilities(model, test, np.arange(len(test)), options, multi_label))
    if member.training.train_on_all:
        model = load_model(models / f"{ALL_ROWS}.keras")
        tests.append(averaged_probabilities(model, test, np.arange(len(test)), options, multi_label))
    return rows, oof[rows], np.stack(tests)


if __name__ == "__main__":
    run("predict", predict)
