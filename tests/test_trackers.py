"""The key `callbacks` of a member: trackers get every epoch, and a change of the key trains nothing again."""

import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from pipeline import roster, train, tune
from pipeline.config.schema import load_params
from pipeline.running.trackers import Training, check_installed, tracking
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from tests.events import scalars
from tests.projects import member, task, to_folds, write_blobs, write_params

HISTORY = [{"epoch": 1, "loss": 0.5, "val_loss": 0.75}, {"epoch": 2, "loss": 0.25, "val_loss": 0.625}]


@pytest.fixture
def training(tmp_path, monkeypatch):
    """The training of one fold, in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, {"blobs": task("raw")}, {"m": member("blobs")})
    return Training(load_params(paths.PARAMS).members["m"], "m", "fold-0")


def log_two_epochs(name, training):
    """Let a tracker get one epoch of an earlier run and a new one."""
    with tracking((name,), training, HISTORY[:1]) as log:
        log(HISTORY[1])


def test_tensorboard_reads_every_epoch_once_after_a_restart(training):
    for _ in range(2):
        log_two_epochs("tensorboard", training)
    folder = paths.TENSORBOARD / "blobs/m/fold-0"
    assert len(list(folder.iterdir())) == 1
    assert scalars(folder) == {"loss": [(1, 0.5), (2, 0.25)], "val_loss": [(1, 0.75), (2, 0.625)]}


def test_mlflow_gets_settings_and_epochs(training, monkeypatch):
    calls = []

    @contextmanager
    def start_run(run_name):
        calls.append(("start", run_name))
        yield
        calls.append(("end",))

    fake = ModuleType("mlflow")
    fake.set_experiment = lambda name: calls.append(("experiment", name))
    fake.start_run = start_run
    fake.log_params = lambda settings: calls.append(("epochs", settings["training.epochs"]))
    fake.log_metrics = lambda figures, step: calls.append((figures, step))
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    log_two_epochs("mlflow", training)
    figures = [({"loss": row["loss"], "val_loss": row["val_loss"]}, row["epoch"]) for row in HISTORY]
    assert calls == [("experiment", "blobs"), ("start", "m fold-0"), ("epochs", 2), *figures, ("end",)]


def test_wandb_gets_settings_and_epochs(training, monkeypatch):
    calls = []

    class Run:
        def log(self, figures, step):
            calls.append((figures["loss"], step))

    @contextmanager
    def init(project, group, name, config, reinit):
        calls.append((project, group, name, config["architecture"]))
        yield Run()

    fake = ModuleType("wandb")
    fake.init = init
    monkeypatch.setitem(sys.modules, "wandb", fake)
    log_two_epochs("wandb", training)
    assert calls == [("blobs", "m", "m fold-0", "fast"), (0.5, 1), (0.25, 2)]


def test_a_package_that_is_missing_is_one_sentence_before_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, {"blobs": task("raw")}, {"m": member("blobs", callbacks=["mlflow"])})
    params = load_params(paths.PARAMS)
    monkeypatch.setattr("pipeline.running.trackers.find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"^params.yaml: members.m.callbacks: the package mlflow is not installed; run"):
        roster.roster(params)
    assert not paths.ENTRIES.exists()
    check_installed("m", [])


@pytest.mark.slow
def test_a_finished_member_with_a_new_tracker_is_not_trained_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_blobs(tmp_path / "raw")
    tracked = member("blobs", callbacks=["tensorboard"])
    params = to_folds({"m": member("blobs"), "tracked": tracked}, split={"count": 1})
    for name in ("m", "tracked"):
        tune.tune(params, name)
        train.train(params, name)
    history = pd.read_csv(paths.models("blobs", "tracked") / "fold-0.csv")
    assert [path.name for path in (paths.TENSORBOARD / "blobs").iterdir()] == ["tracked"]
    events = scalars(paths.TENSORBOARD / "blobs/tracked/fold-0")
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"} < set(events)
    assert [value for _, value in events["val_loss"]] == pytest.approx(history["val_loss"].tolist())

    files = {path: path.read_bytes() for path in Path("artifacts").rglob("*.*") if path.is_file()}
    write_params(Path(), {"blobs": task("raw", split={"count": 1})}, {"m": tracked, "tracked": tracked})
    params = load_params(paths.PARAMS)
    capsys.readouterr()
    roster.roster(params)
    tune.tune(params, "m")
    assert {path: path.read_bytes() for path in Path("artifacts").rglob("*.*") if path.is_file()} == files
    train.train(params, "m")
    assert "fold 1/1  finished before, kept" in capsys.readouterr().out
