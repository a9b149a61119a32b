"""Students: they learn test images' labels from a teacher's models of the same rows, and from no others."""

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import ensemble, predict, tune
from pipeline import train as training_stage
from pipeline.config.schema import Member, PseudoLabels
from pipeline.storage import checkpoint as resume
from pipeline.storage import paths
from pipeline.storage.columns import ANSWER, save_columns
from pipeline.storage.files import BadInput, save_json
from pipeline.storage.predictions import SOURCES, Predictions, load_predictions, save_predictions
from pipeline.storage.task_data import TaskData
from pipeline.storage.tuned_options import load_tuned
from pipeline.training import callbacks, fold_data
from pipeline.training.fold_jobs import key_of
from pipeline.training.pseudo_labels import load_pseudo
from tests.killed_training import Killed
from tests.projects import member, to_folds, write_blobs

pytestmark = pytest.mark.slow

FOLDS, TESTS = 2, 12
ITEMS = {"items": {"count": 1, "size_pixels": [12, 12], "prices": [0, 1, 2]}}


def student(share=0.5, least_confidence=0.0, **changes):
    training = {"epochs": 1} | changes.pop("training", {})
    settings = {"teacher": "m", "share": share, "least_confidence": least_confidence}
    return member("blobs", training=training, pseudo_labels=settings, **changes)


def with_teacher(students, **changes):
    """Bring a teacher `m` and students of the task `blobs` to their folds."""
    teacher = member("blobs", training={"epochs": 1})
    return to_folds({"m": teacher}, students, **({"split": {"count": FOLDS}} | changes))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that writes the student `s` and brings the task to its folds."""
    monkeypatch.chdir(tmp_path)
    write_blobs(tmp_path / "raw", test_rows=TESTS)
    return lambda entry=None, **changes: with_teacher({"students": {"s": entry or student()}}, **changes)


def save_taught(by_fold, mean=None, ids=None):
    """Write what stage `predict` of the teacher does: test probabilities (n, classes) of each fold, and their mean."""
    folder, images, folds = paths.predictions("blobs", "m"), paths.images("blobs"), TaskData("blobs").folds
    sets = {
        f"test_fold-{fold}.npz": (probabilities_of_fold, np.flatnonzero(folds != fold))
        for fold, probabilities_of_fold in enumerate(by_fold)
    }
    sets["test.npz"] = np.mean(by_fold, axis=0) if mean is None else mean, np.arange(len(folds))
    folder.mkdir(parents=True, exist_ok=True)
    ids = np.load(images / "test_ids.npy") if ids is None else ids
    for name, (probabilities, _) in sets.items():
        save_predictions(folder / name, Predictions(ids, probabilities, [0, 1, 2]))
    save_json(folder / SOURCES, {name: TaskData("blobs").source(rows) for name, (_, rows) in sets.items()})


def soft(sure, rows=TESTS):
    """Return probabilities float32 (rows, 3) of which the first class has `sure`."""
    return np.tile(np.float32([sure, (1 - sure) / 2, (1 - sure) / 2]), (rows, 1))


@pytest.fixture
def seen(monkeypatch):
    """Return the batches (images, targets) that each fold's model learns from."""
    batches_by_fold, batches = {}, fold_data.TrainingBatches

    class Noted(batches):
        def __getitem__(self, index):
            batch = super().__getitem__(index)
            batches_by_fold.setdefault(self.seeds[1], []).append(batch)
            return batch

    monkeypatch.setattr(fold_data, "TrainingBatches", Noted)
    return batches_by_fold


def run_all(params, name):
    for stage in (tune.tune, training_stage.train, predict.predict):
        stage(params, name)


def logits_of(fold, name="s"):
    """Return what a fold's model makes of the training images."""
    from pipeline.training.network import keras, predict_logits

    images = np.load(paths.images("blobs") / "train_images.npy")
    model = keras.saving.load_model(paths.models("blobs", name) / f"fold-{fold}.keras")
    return predict_logits(model, images, np.arange(len(images)))


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A folder with a teacher and a student, of which each but the student was trained without test images."""
    folder = tmp_path_factory.mktemp("students")
    write_blobs(folder / "raw", test_rows=TESTS)
    with contextlib.chdir(folder):
        params = with_teacher({"students": {"s": student(share=0.9)}})
        test_images = paths.images("blobs") / "test_images.npy"
        test_images.rename("held.npy")
        tune.tune(params, "m")
        training_stage.train(params, "m")
        Path("held.npy").rename(test_images)
        predict.predict(params, "m")
        run_all(params, "s")
    return folder


def test_nothing_of_its_validation_rows_reaches_a_student(finished):
    before = [logits_of(fold) for fold in range(FOLDS)]
    path, first = paths.images("blobs") / "train_labels.npy", TaskData("blobs").folds == 0
    np.save(path, np.where(first, (np.load(path) + 1) % 3, np.load(path)))  # the first fold's answers are others
    shutil.rmtree(".resume")  # models of the answers before: `prepare` did not run, so the data's hash is the same
    run_all(finished, "m")
    tune.tune(finished, "s")
    training_stage.train(finished, "s")
    after = [logits_of(fold) for fold in range(FOLDS)]
    assert np.allclose(before[0], after[0], atol=1e-5)
    assert not np.allclose(before[1], after[1], atol=1e-2)  # which learns from these rows


def test_each_model_learns_from_its_own_teacher_and_only_what_that_is_sure_of(project, seen):
    params = project(student(least_confidence=0.7, training={"train_on_all": True}))
    path = paths.images("blobs") / "test_images.npy"
    images = np.full_like(np.load(path), 250)
    images[:, 0, 0, 0] = np.arange(TESTS)  # every image tells its row
    np.save(path, images)
    by_fold = [np.concatenate([soft(sure, 8), soft(0.6, 4)]) for sure in (0.75, 0.8)]
    save_taught(by_fold, mean=soft(0.9))
    assert "m is sure enough of 8 to 12 of 12 test images" in tune.tune(params, "s")
    training_stage.train(params, "s")
    assert set(seen) == {0, 1, 2}  # the last one on all rows
    for fold, (sure, rows) in enumerate([(0.75, 8), (0.8, 8), (0.9, TESTS)]):
        images, targets = (np.concatenate(parts) for parts in zip(*seen[fold], strict=True))
        test = (images[:, 1:] == 250).all(axis=(1, 2, 3))
        assert 0.2 < test.mean() < 0.8
        assert set(images[test][:, 0, 0, 0].tolist()) <= set(range(rows))
        assert (targets[test] == soft(sure, test.sum())).all()
        assert set(np.unique(targets[~test]).tolist()) == {0.0, 1.0}
    predict.predict(params, "s")  # by the model on all rows, so that no fold has something to say
    assert {path.name for path in paths.predictions("blobs", "s").glob("test*")} == {"test.npz"}


def test_a_student_is_a_member_of_its_task(finished):
    ensemble.ensemble(finished, "blobs")
    assert set(json.loads((paths.ensemble("blobs") / "ensemble.json").read_text())["weights"]) == {"m", "s"}


def test_a_teacher_hands_on_what_each_fold_says(finished):
    names = ["test.npz", *(f"test_fold-{fold}.npz" for fold in range(FOLDS))]
    assert list(json.loads((paths.predictions("blobs", "m") / SOURCES).read_text())) == names
    whole, *parts = (load_predictions(paths.predictions("blobs", "m") / name).probabilities for name in names)
    assert np.allclose(whole, np.mean(parts, axis=0), atol=1e-6)
    assert not np.allclose(*parts)


@pytest.mark.nightly
def test_a_killed_student_ends_as_if_nothing_had_happened(project, monkeypatch):
    params = project(student(training={"epochs": 2}), split={"count": 1})
    save_taught(np.random.default_rng(0).dirichlet(np.ones(3), (1, TESTS)).astype(np.float32))
    tune.tune(params, "s")
    training_stage.train(params, "s")
    whole = logits_of(0)
    shutil.rmtree(paths.resume("blobs", "s"))
    monkeypatch.setattr(callbacks, "save_state", lambda *a: (resume.save_state(*a), (_ for _ in ()).throw(Killed))[0])
    with pytest.raises(Killed):
        training_stage.train(params, "s")
    monkeypatch.setattr(callbacks, "save_state", resume.save_state)
    training_stage.train(params, "s")
    assert np.allclose(logits_of(0), whole, atol=1e-5)


def test_only_a_student_follows_its_teacher(project):
    tuned, keys = [], []
    for sure in (0.9, 0.95):
        params = project()
        save_taught([soft(sure)] * FOLDS)
        for name in ("m", "s"):
            tune.tune(params, name)
        tuned.append({name: paths.tuning("blobs", name).read_bytes() for name in ("m", "s")})
        keys.append({name: key_of(load_tuned("blobs", name), "blobs") for name in ("m", "s")})
    for options in (tuned, keys):
        assert options[0]["m"] == options[1]["m"]
        assert options[0]["s"] != options[1]["s"]


@pytest.mark.parametrize("kind", ["images", "items"])
def test_a_student_sees_test_images_as_its_network_does(project, kind):
    project(prepare=ITEMS)
    save_taught([soft(0.9)] * FOLDS)
    member, rows = student_of(input=kind), np.flatnonzero(TaskData("blobs").folds != 1)
    extra = load_pseudo(member, member.pseudo_labels, rows)
    assert (extra.images == np.load(paths.images("blobs") / f"test_{kind}.npy")).all()
    assert extra.usable.tolist() == list(range(TESTS))


def test_all_test_images_of_one_answer_learn_its_probabilities(project):
    project(split={"count": 1})
    answers = np.array([f"case {number}" for number in range(TESTS // 2)])
    columns = pd.DataFrame({ANSWER: [*answers, *answers]})
    save_columns(paths.arrays("blobs") / "test_columns.csv", TaskData("blobs").test_ids, columns)
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), len(answers)).astype(np.float32)
    save_taught([probabilities], ids=answers)
    member, rows = student_of(least_confidence=0.0), np.flatnonzero(TaskData("blobs").folds != 0)
    extra = load_pseudo(member, member.pseudo_labels, rows)
    np.testing.assert_array_equal(extra.targets, np.concatenate([probabilities, probabilities]))


def student_of(least_confidence=0.8, **changes):
    return Member(
        task="blobs",
        architecture="fast",
        pseudo_labels=PseudoLabels(teacher="m", share=0.5, least_confidence=least_confidence),
        **changes,
    )


def test_of_a_label_set_the_least_certain_label_counts(project, seen):
    params = project(student(least_confidence=0.8), split={"count": 1})
    path = paths.images("blobs") / "train_labels.npy"
    np.save(path, np.eye(3, dtype=np.uint8)[np.load(path)])
    probabilities = np.tile(np.float32([0.9, 0.1, 0.85]), (TESTS, 1))
    probabilities[3] = [0.9, 0.1, 0.7]
    save_taught([probabilities])
    member, rows = student_of(), np.flatnonzero(TaskData("blobs").folds != 0)
    assert load_pseudo(member, member.pseudo_labels, rows).usable.tolist() == [row for row in range(TESTS) if row != 3]
    tune.tune(params, "s")
    training_stage.train(params, "s")
    targets = np.concatenate([targets for _, targets in seen[0]])
    assert set(np.unique(targets).tolist()) == set(np.float32([0, 0.1, 0.85, 0.9, 1]).tolist())


def test_what_does_not_fit_is_refused_by_name(project):
    params = project(student(least_confidence=0.8))
    save_taught([soft(0.7), soft(0.9)])
    with pytest.raises(BadInput, match=r"predictions/m/test_fold-0\.npz: the surest image has confidence 0\.7000, exp"):
        tune.tune(params, "s")
    save_taught([soft(0.9)] * FOLDS)
    params = project(student(least_confidence=0.8), split={"count": FOLDS, "seed": 1})
    tune.tune(params, "s")
    with pytest.raises(BadInput, match=r"predictions/m/sources\.json: no probabilities come from just the 30 training"):
        training_stage.train(params, "s")
    ids = paths.images("blobs") / "test_ids.npy"
    np.save(ids, np.load(ids) + 1)
    with pytest.raises(BadInput, match=r"predictions/m/test_fold-0\.npz: id 72 is missing"):
        tune.tune(params, "s")
