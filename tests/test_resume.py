"""A killed training goes on where it was, with the same numbers."""

import json
import math
import shutil
from types import SimpleNamespace
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest

from pipeline import train as training_stage
from pipeline.storage import checkpoint as resume
from pipeline.storage import paths
from pipeline.training import callbacks
from pipeline.training import fold as fit
from tests.killed_training import Killed, train_with_kills
from tests.projects import member, models_of

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["model.keras", "history.csv"])
@pytest.mark.parametrize("kept_share", [0, 0.6])
def test_a_finished_fold_with_a_damaged_file_is_trained_again(tmp_path, capsys, name, kept_share):
    job = SimpleNamespace(folder=tmp_path)
    with ZipFile(tmp_path / "model.keras", "w") as model:
        model.writestr("model.weights.h5", bytes(1000))
    pd.DataFrame([{"epoch": 1, "loss": 0.5, "seconds": 1.0}]).to_csv(tmp_path / "history.csv", index=False)
    assert fit.is_finished(job)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * kept_share)])
    assert not fit.is_finished(job)
    sentence = f"{tmp_path / 'model.keras'}: a damaged checkpoint, now deleted; training starts again\n"
    assert capsys.readouterr().err == sentence
    assert not (tmp_path / "model.keras").exists()


EVERYTHING = {
    "epochs": 5,
    "schedule": "plateau",
    "plateau_patience_epochs": 1,
    "plateau_factor": 0.5,
    "early_stopping_patience_epochs": 4,
    "ema_momentum": 0.9,
    "weight_decay": 0.01,
    "label_smoothing": 0.1,
}


IN_PARTS = {  # of a step, of the images' size, and of the classes
    "epochs": 5,
    "optimiser": "muon",
    "gradient_accumulation_steps": 3,
    "global_clipnorm": 0.5,
    "progressive_pixels": [[8, 8]],
    "ema_momentum": 0.9,
    "imbalance": "balanced_sampling",
}


ON_ALL_ROWS = {"epochs": 4, "optimiser": "sgd", "train_on_all": True}


@pytest.mark.parametrize(
    ("training", "folds", "epochs_between_kills"),
    [
        (EVERYTHING, 1, 2),
        pytest.param(IN_PARTS, 2, 3, marks=pytest.mark.nightly),
        pytest.param(ON_ALL_ROWS, 2, 3, marks=pytest.mark.nightly),
    ],
)
def test_a_killed_run_ends_as_if_nothing_had_happened(
    tuned_project, monkeypatch, training, folds, epochs_between_kills
):
    changes = {"augment": {"alternating_flip": True, "shift_pixels": 1, "mixup_alpha": 0.2}, "training": training}
    entry = member("blobs", "resnet" if training is IN_PARTS else "fast", **changes)
    entry["options"] = {**entry["options"], "dropout": 0.3}
    params = tuned_project({"m": entry}, split={"count": folds})
    training_stage.train(params, "m")
    undisturbed = {name: path.read_bytes() for name, path in models_of().items()}
    kills, epochs = train_with_kills(params, monkeypatch, epochs_between_kills)
    assert kills >= 2
    assert epochs == sum(run["epochs"] for run in json.loads(models_of()["run.json"].read_text())["runs"])
    assert {name: path.read_bytes() for name, path in models_of().items()} == undisturbed


@pytest.mark.nightly
def test_short_epochs_are_saved_now_and_then_and_the_last_one_always(tuned_project, monkeypatch):
    params = tuned_project({"m": member("blobs", training={"epochs": 4})}, split={"count": 1})
    save, learnt, saved = resume.save_state, [], []

    class Noted(callbacks.SeedEpoch):
        def on_epoch_begin(self, epoch, logs=None):
            learnt.append(epoch)
            super().on_epoch_begin(epoch)

        def on_epoch_end(self, epoch, logs=None):
            if len(learnt) == 7:
                raise Killed

    monkeypatch.setattr(callbacks, "SAVE_SECONDS", math.inf)
    monkeypatch.setattr(callbacks, "save_state", lambda *a: (saved.append(len(a[1])), save(*a)))
    monkeypatch.setattr(fit, "SeedEpoch", Noted)
    training_stage.train(params, "m")
    whole = pd.read_csv(models_of()["fold-0.csv"])
    assert (learnt, saved) == ([0, 1, 2, 3], [1, 4])
    shutil.rmtree(paths.resume("blobs", "m"))
    with pytest.raises(Killed):
        training_stage.train(params, "m")
    training_stage.train(params, "m")
    assert learnt[4:] == [0, 1, 2, 1, 2, 3]
    assert np.allclose(pd.read_csv(models_of()["fold-0.csv"]), whole, atol=1e-5)


@pytest.mark.nightly
def test_a_killed_transfer_goes_on_in_its_phase(tuned_project, monkeypatch):
    training = {"epochs": 3, "frozen_epochs": 1, "tuned_layers": 2, "schedule": "constant", "batch_size": 8}
    training |= {"learning_rate": 0.1, "tuned_learning_rate": 0.2}
    entry = {"architecture": "pretrained", "options": {"weights": None, "width": 0.25}, "normalise": "unit"}
    params = tuned_project({"m": {"task": "blobs", **entry, "training": training}}, split={"count": 1})
    training_stage.train(params, "m")
    whole = pd.read_csv(models_of()["fold-0.csv"])
    assert np.allclose(whole["learning_rate"], [0.1, 0.2, 0.2])
    assert np.ptp(whole["loss"]) > 1e-3
    shutil.rmtree(paths.resume("blobs", "m"))
    assert train_with_kills(params, monkeypatch, 1) == (3, 3)
    assert np.allclose(pd.read_csv(models_of()["fold-0.csv"]), whole, atol=1e-5)


@pytest.mark.nightly
def test_changed_options_do_not_take_up_an_old_state(tuned_project, monkeypatch):
    params = tuned_project({"m": member("blobs", training={"epochs": 3})})
    monkeypatch.setattr(callbacks, "save_state", lambda *a: (resume.save_state(*a), (_ for _ in ()).throw(Killed))[0])
    with pytest.raises(Killed):
        training_stage.train(params, "m")
    monkeypatch.setattr(callbacks, "save_state", resume.save_state)
    params = tuned_project({"m": member("blobs", training={"epochs": 3, "learning_rate": 1e-4})})
    training_stage.train(params, "m")
    history = pd.read_csv(models_of()["fold-0.csv"])
    assert history["learning_rate"].max() <= 1e-4


def test_a_plateau_lowers_the_rate_after_its_patience_and_never_below_its_least(tuned_project, monkeypatch):
    """The losses stay, so each epoch after the first one counts."""
    monkeypatch.setattr(callbacks, "log_loss", lambda *_: 1.0)
    settings = {"schedule": "plateau", "plateau_patience_epochs": 2, "plateau_factor": 0.1, "epochs": 8}
    settings |= {"learning_rate": 1e-2, "minimum_learning_rate": 3e-4, "monitor": "val_loss"}
    params = tuned_project({"m": member("blobs", training=settings)}, split={"count": 1})
    assert train_with_kills(params, monkeypatch, 3)[0] >= 2
    rates = pd.read_csv(models_of()["fold-0.csv"])["learning_rate"]
    assert rates.tolist() == pytest.approx([1e-2] * 3 + [1e-3] * 2 + [3e-4] * 3)
