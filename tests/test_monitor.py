"""The figure that decides which epoch is kept: the task's metric, or what the entry names."""

import json
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest

from pipeline import ensemble, ingest, predict, prepare, report, roster, score, split, submission, train, tune
from pipeline.config.schema import Member, Training, load_params
from pipeline.storage import paths
from pipeline.training.callbacks import Replay
from pipeline.training.monitor import Monitor, best_epoch, monitor_of, training_values
from pipeline.training.phases import watchers
from pipeline.tuning.search import best_of
from pipeline.tuning.study import end, open_study
from submissions import build
from tests.projects import member, task, to_folds, write_blobs, write_params, write_task

HISTORY = [{"epoch": 1, "val_loss": 0.5, "val_roc_auc": 0.8}, {"epoch": 2, "val_loss": 0.7, "val_roc_auc": 0.9}]


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def a_member(**training) -> Member:
    return Member(task="t", architecture="fast", training=training)


def test_the_best_epoch_is_by_the_direction_of_the_figure():
    assert best_epoch(HISTORY, Monitor("val_loss", False)) == 0
    assert best_epoch(HISTORY, Monitor("val_roc_auc", True)) == 1
    assert best_epoch(HISTORY, Monitor("none", False)) == 1
    assert best_epoch(HISTORY, Monitor("val_loss", False, keeps_last=True)) == 1


def test_an_epoch_with_smaller_images_is_not_kept():
    rising = [{"val_loss": loss} for loss in (0.1, 0.2, 0.9, 0.5, 0.6)]
    assert best_epoch(rising, Monitor("val_loss", False, first_epoch=2)) == 3
    assert best_epoch(rising[:2], Monitor("val_loss", False, first_epoch=2)) == 1, "before that, the last one"
    write_task("t", [0, 1, 2])
    assert monitor_of(a_member(epochs=6, progressive_pixels=[[8, 8], [9, 9]])).first_epoch == 4


@pytest.mark.parametrize(
    ("monitor", "values"),
    [(Monitor("val_accuracy", True), [0.1, 0.2, 0.3, 0.2]), (Monitor("val_loss", False), [3.0, 2.0, 1.0, 2.0])],
)
def test_training_goes_on_while_the_figure_gets_better(monitor, values):
    (stopping,) = watchers(Training(early_stopping_patience_epochs=1), monitor, is_last=True)
    stopping.set_model(SimpleNamespace(stop_training=False))
    stopping.on_train_begin()
    stops = []
    for epoch, value in enumerate(values):
        stopping.on_epoch_end(epoch, {monitor.column: value})
        stops.append(stopping.model.stop_training)
    assert stops == [False, False, False, True]


def test_a_replay_leaves_the_learning_rate_as_it_was():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    (plateau,) = watchers(Training(schedule="plateau"), Monitor("val_loss", False), is_last=True)
    Replay([plateau], [{"learning_rate": 0.04, "val_loss": 1.0}]).stops(model)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("metric", "monitor", "expected"),
    [
        ("accuracy", "metric", Monitor("val_accuracy", True)),
        ("log_loss", "metric", Monitor("val_loss", False)),
        ("quadratic_kappa", "metric", Monitor("val_quadratic_kappa", True)),
        ("roc_auc", "val_loss", Monitor("val_loss", False)),
        ("roc_auc", "none", Monitor("none", False)),
    ],
)
def test_the_metric_of_the_task_is_the_default(metric, monitor, expected):
    write_task("t", [0, 1, 2], metric=metric)
    assert monitor_of(a_member(monitor=monitor)) == expected


def test_a_new_metric_trains_again_only_what_it_chooses():
    values = {}
    for metric in ("accuracy", "roc_auc", "map_at_k"):
        write_task("t", [0, 1, 2], metric=metric)
        for monitor in ("metric", "val_accuracy", "val_loss"):
            values[metric, monitor] = json.dumps(training_values(a_member(monitor=monitor)))
    assert values["accuracy", "metric"] == values["accuracy", "val_accuracy"]
    for monitor in ("val_accuracy", "val_loss"):
        assert len({values[metric, monitor] for metric in ("accuracy", "roc_auc", "map_at_k")}) == 1
    assert len({values[metric, "metric"] for metric in ("accuracy", "roc_auc", "map_at_k")}) == 3


def test_the_best_trial_by_a_loss_has_the_lowest():
    study = open_study("m.journal", "m", "none", 3, higher_is_better=False)
    for value in (0.5, 0.2, 0.9):
        end(study, study.ask().number, value)
    assert best_of(study).value == 0.2


@pytest.mark.slow
def test_the_metric_drives_every_stage():
    write_blobs(Path("raw"), classes=2)
    sample = pd.read_csv("raw/sample.csv")
    sample.assign(Label=0.5).to_csv("raw/sample.csv", index=False)
    entry = task("raw", metric="roc_auc", ensemble={"method": "convex"}, split={"count": 1, "holdout_share": 0.4})
    write_params(
        Path(), {"blobs": entry}, {name: member("blobs", training={"seed": seed}) for seed, name in enumerate("mn")}
    )
    params = load_params(paths.PARAMS)
    roster.roster(params)
    assert "submission: probability of 1" in ingest.ingest(params, "blobs")
    prepare.prepare(params, "blobs")
    split.split(params, "blobs")
    for name in params.members:
        for stage in (tune.tune, train.train, predict.predict):
            line = stage(params, name)
        history = pd.read_csv(paths.models("blobs", name) / "fold-0.csv")
        run = json.loads((paths.models("blobs", name) / "run.json").read_text())["runs"][0]
        assert run["best_epoch"] == history["val_roc_auc"].idxmax() + 1
        assert "out-of-fold rows with roc_auc" in line
    assert "honest out-of-fold roc_auc" in ensemble.ensemble(params, "blobs")
    submission.submission(params, "blobs")
    submitted = pd.read_csv(paths.submission("blobs"))
    assert submitted["Label"].between(0, 1).all() and submitted["Label"].nunique() > 2
    assert score.score(params, "blobs").startswith("roc_auc public ")
    graded = json.loads(paths.score("blobs").read_text())
    answers = pd.read_csv("raw/solution.csv").set_index("Id")["Label"]
    shares = submitted.set_index("Id")["Label"]
    pairs = [
        (shares[a] > shares[b]) + (shares[a] == shares[b]) / 2
        for a in answers.index[answers == 1]
        for b in answers.index[answers == 0]
    ]
    assert graded["metric"] == "roc_auc" and graded["all"]["score"] == pytest.approx(np.mean(pairs), abs=1e-6)
    report.report(params)
    summary = pd.read_csv(paths.SUMMARY.with_suffix(".csv"))
    assert set(summary["metric"]) == {"roc_auc"} and summary["out-of-fold score"].notna().all()
    build.main(["blobs", "--member", "m", "--out", "alone.csv"])
    assert pd.read_csv("alone.csv")["Id"].tolist() == submitted["Id"].tolist()


@pytest.mark.nightly
def test_the_last_epoch_is_kept_after_early_stopping_and_its_number_is_that_on_all_rows():
    write_blobs(Path("raw"))
    training = {"epochs": 6, "learning_rate": 1e-6, "monitor": "val_accuracy", "early_stopping_patience_epochs": 1}
    training |= {"kept_epoch": "last", "train_on_all": True, "schedule": "constant"}
    params = to_folds({"m": member("blobs", training=training)}, split={"count": 1})
    tune.tune(params, "m")
    train.train(params, "m")
    runs = json.loads((paths.models("blobs", "m") / "run.json").read_text())["runs"]
    assert runs[0]["best_epoch"] == runs[0]["epochs"] < 6  # it hardly learns, so it stops
    assert runs[1]["epochs"] == runs[0]["epochs"]
