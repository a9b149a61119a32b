"""Repeated folds: other folds in each repeat, whose predictions are averaged for each row."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.ensembling import Greedy
from features.honesty import honest_ensemble
from features.labels.metrics.losses import log_loss
from pipeline import ensemble, predict, split, train, tune
from pipeline.config.errors import BadInput
from pipeline.config.schema import load_params
from pipeline.storage import paths
from pipeline.storage.answers import out_of_fold_answers
from pipeline.storage.predictions import load_predictions, load_test_models, repeat_oof
from pipeline.storage.task_data import TaskData
from pipeline.training.fold_jobs import fold_jobs
from pipeline.training.pseudo_labels import load_sources
from tests.projects import member, task, to_folds, write_blobs, write_params
from tests.test_ensembling import members_of


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_blobs(Path("raw"))
    return lambda **options: to_folds({"m": member("blobs", training={"epochs": 1})}, split={"count": 2} | options)


def test_each_repeat_has_folds_of_its_own_and_a_number_names_one_model(project):
    project(repeats=3)
    table = pd.read_csv(paths.folds("blobs"))
    assert list(table) == ["id", "fold", "fold_2", "fold_3"]
    for repeat, name in enumerate(("fold", "fold_2", "fold_3")):
        assert table[name].value_counts().to_dict() == {2 * repeat: 30, 2 * repeat + 1: 30}
    agreement = (table["fold"] + 2 == table["fold_2"]).mean()
    assert 0.2 < agreement < 0.8
    first = table["fold"].tolist()
    project(repeats=1)
    table = pd.read_csv(paths.folds("blobs"))
    assert list(table) == ["id", "fold"] and table["fold"].tolist() == first


def test_no_model_sees_its_validation_rows(project):
    params = project(repeats=2)
    jobs = fold_jobs(params.members["m"], "m", Path())
    assert [job.fold for job in jobs] == [0, 1, 2, 3] and jobs[3].title == "m  fold 4/4"
    for job in jobs:
        assert sorted([*job.training_rows, *job.validation_rows]) == list(range(60)) and len(job.validation_rows) == 30
    validations = np.concatenate([job.validation_rows for job in jobs])
    assert (np.bincount(validations) == 2).all()


def test_groups_stay_together_in_every_repeat(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_blobs(Path("raw"))
    table = pd.read_csv("raw/train.csv")
    pixels = [name for name in table if name != "Label"]
    table[pixels].to_csv("raw/images.csv", index=False)
    table[["Id", "Label"]].assign(patient=np.arange(60) // 4).to_csv("raw/train.csv", index=False)
    ingest = task("raw")["ingest"] | {"train": {"images": "images.csv", "labels": "train.csv"}}
    to_folds({"m": member("blobs")}, ingest=ingest, split={"count": 3, "repeats": 2, "group_column": "patient"})
    folds = TaskData("blobs").repeated_folds.reshape(15, 4, 2)
    assert (folds == folds[:, :1]).all() and len(np.unique(folds)) == 6


@pytest.mark.parametrize("options", [{"count": 1, "repeats": 2}, {"time_column": "date", "repeats": 2}])
def test_a_hold_out_has_no_repeats(tmp_path, options):
    write_params(tmp_path, {"blobs": task("raw", split=options)}, {"m": member("blobs")})
    with pytest.raises(BadInput, match="split: 2 repeats need count: 2 or more"):
        load_params(tmp_path / "params.yaml")


def noisy_repeats(repeats, skill=1.5, rows=300):
    """Return predictions (2, rows, repeats, 3) whose repeats differ, labels (rows,) and folds (rows, repeats)."""
    predictions = [members_of([skill, skill], rows, classes=3, seed=0)]
    labels, rng = predictions[0][1], np.random.default_rng(1)
    logits = np.log(predictions[0][0])[:, :, None] + rng.normal(0, 1, (2, rows, repeats, 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    folds = np.stack([rng.permutation(np.arange(rows) % 3) + 3 * repeat for repeat in range(repeats)], axis=1)
    return probabilities.astype(np.float32), labels, folds


@pytest.mark.parametrize("method", ["greedy", "auto"])
def test_the_mean_of_repeats_is_scored_and_knows_no_label_of_its_part(method):
    probabilities, labels, folds = noisy_repeats(4)
    honest = honest_ensemble(probabilities, labels, folds, method, Greedy(5))
    assert honest.probabilities.shape == (300, 3) and honest.ensemble.temperatures.shape == (2, 12)
    single = [honest_ensemble(probabilities[:, :, r], labels, folds[:, r], method, Greedy(5)) for r in range(4)]
    losses = [log_loss(one.probabilities, labels) for one in single]
    assert log_loss(honest.probabilities, labels) < min(losses)
    part = folds[:, 0] == 1
    changed = np.where(part, (labels + 1) % 3, labels)
    after = honest_ensemble(probabilities, changed, folds, method, Greedy(5))
    assert np.array_equal(honest.probabilities[part], after.probabilities[part])
    assert not np.array_equal(honest.probabilities[~part], after.probabilities[~part])


def test_equal_repeats_change_nothing():
    probabilities, labels, folds = noisy_repeats(1)
    twice = np.repeat(probabilities, 2, axis=2), labels, np.concatenate([folds, folds + 3], axis=1)
    one, two = (honest_ensemble(*data, "convex", Greedy()) for data in ((probabilities, labels, folds), twice))
    assert np.allclose(one.probabilities, two.probabilities, atol=1e-3)
    assert np.allclose(np.tile(one.ensemble.temperatures, 2), two.ensemble.temperatures, atol=1e-6)


def test_label_sets_are_averaged_label_by_label():
    rng = np.random.default_rng(0)
    labels = (rng.random((60, 2)) < 0.5).astype(np.uint8)
    probabilities = np.clip(0.5 + 0.3 * (labels[:, None] - 0.5) + rng.normal(0, 0.2, (1, 60, 2, 2)), 0.01, 0.99)
    folds = np.stack([np.arange(60) % 3, np.arange(60) // 20 + 3], axis=1)
    honest = honest_ensemble(probabilities.astype(np.float32), labels, folds, "mean", Greedy())
    ensemble_of_all = honest.ensemble.of_rows(probabilities.astype(np.float32), folds)
    logits = np.log(probabilities[0] / (1 - probabilities[0])) / honest.ensemble.temperatures[0][folds][:, :, None]
    assert ensemble_of_all == pytest.approx(1 / (1 + np.exp(-logits.mean(axis=1))), abs=1e-5)
    assert honest.probabilities.shape == (60, 2)


def test_an_answer_in_several_folds_of_a_later_repeat_is_refused(project, monkeypatch):
    project(repeats=2)
    data = TaskData("blobs")
    ids = np.array(["a", "a", *map(str, range(58))])
    monkeypatch.setattr("pipeline.storage.answers.load_answers", lambda *_: ids)
    folds = data.repeated_folds
    folds[1] = [folds[0, 0], 5 - folds[0, 1]]
    data.__dict__["repeated_folds"] = folds
    with pytest.raises(BadInput, match="the images of 'a' are in several folds"):
        out_of_fold_answers(data, np.arange(60))


@pytest.mark.slow
def test_from_repeated_folds_to_the_ensemble(project):
    params = project(repeats=2)
    tune.tune(params, "m")
    assert "4 model(s)" in train.train(params, "m")
    predict.predict(params, "m")
    folder, data = paths.predictions("blobs", "m"), TaskData("blobs")
    repeats = [load_predictions(folder / repeat_oof(repeat)) for repeat in range(2)]
    mean = load_predictions(folder / "oof.npz")
    assert mean.probabilities == pytest.approx(np.mean([r.probabilities for r in repeats], axis=0), abs=1e-6)
    assert [sorted(set(r.folds)) for r in repeats] == [[0, 1], [2, 3]]
    assert load_test_models(folder, data.test_ids, data.classes, False).shape == (4, 12, 3)
    assert len(set(load_sources(folder).values())) == 5  # each model's rows, and all rows
    assert "honest out-of-fold accuracy" in ensemble.ensemble(params, "blobs")
    assert load_predictions(paths.ensemble("blobs") / "oof.npz").probabilities.shape == (60, 3)
    split.split(load_params(paths.PARAMS), "blobs")  # the same folds again: nothing is refused
    ensemble.ensemble(params, "blobs")
