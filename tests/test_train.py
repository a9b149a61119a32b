"""Training through its stages, in this process, on a competition that is learnt in seconds."""

import contextlib
import json
import os
import shutil

import keras
import numpy as np
import pandas as pd
import pytest

from features.labels.metrics.losses import log_loss
from pipeline import ensemble, predict
from pipeline import train as training_stage
from pipeline.running import devices
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from pipeline.storage.predictions import load_predictions
from pipeline.storage.task_data import TaskData
from pipeline.training import callbacks, fold_data
from pipeline.training import fold as fit
from pipeline.training.batches import batch_size_for, steps_per_epoch
from pipeline.training.seeding import Purpose, seed_of, stream
from tests.needs import write_nvidia_smi
from tests.projects import member, models_of, to_tuned_members, write_blobs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A folder in which `m` was trained on two folds."""
    folder = tmp_path_factory.mktemp("trained")
    write_blobs(folder / "raw")
    with contextlib.chdir(folder):
        params = to_tuned_members({"m": member("blobs", training={"epochs": 5})})
        assert "2 model(s)" in training_stage.train(params, "m")
    return folder


def test_every_fold_leaves_a_model_and_a_history(finished):
    assert set(models_of()) == {
        "layers.json",
        "run.json",
        *(f"fold-{k}.{kind}" for k in range(2) for kind in ("keras", "csv")),
    }
    history = pd.read_csv(models_of()["fold-0.csv"])
    assert list(history["epoch"]) == [1, 2, 3, 4, 5]
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    assert {"learning_rate", "accuracy", "val_loss", "val_accuracy"} <= set(history)
    seconds = json.loads(paths.times("blobs", "m").read_text())["seconds_per_epoch"]
    assert set(seconds) == {"fold-0", "fold-1"} and min(seconds.values()) > 0


def test_a_repetition_leaves_the_same_files_and_nothing_is_trained_twice(tuned_project, monkeypatch, capsys):
    params = tuned_project({"m": member("blobs", training={"epochs": 1})}, split={"count": 1})
    folds_of_other_options = paths.resume("blobs", "m") / "0123456789abcdef"
    folds_of_other_options.mkdir(parents=True)
    training_stage.train(params, "m")
    assert not folds_of_other_options.exists()
    first = {name: path.read_bytes() for name, path in models_of().items()}
    predict.predict(params, "m")
    capsys.readouterr()
    shutil.rmtree(paths.models("blobs", "m"))
    training_stage.train(params, "m")
    assert capsys.readouterr().out.count("finished before, kept") == 1
    assert {name: path.read_bytes() for name, path in models_of().items()} == first
    shutil.rmtree(paths.resume("blobs", "m"))
    training_stage.train(params, "m")
    assert {name: path.read_bytes() for name, path in models_of().items()} == first


def test_out_of_fold_rows_come_from_models_that_did_not_see_them(tuned_project, monkeypatch):
    params = tuned_project({"m": member("blobs", training={"epochs": 1})})
    seen = {}

    class Noted(fold_data.TrainingBatches):
        def __getitem__(self, index):
            seen.setdefault(self.seeds[1], set()).update(self.order[index * 16 : (index + 1) * 16].tolist())
            return super().__getitem__(index)

    monkeypatch.setattr(fold_data, "TrainingBatches", Noted)
    training_stage.train(params, "m")
    folds = TaskData("blobs").folds
    assert set(seen) == {0, 1}
    for fold, rows in seen.items():
        assert rows == set(np.flatnonzero(folds != fold).tolist())


@pytest.mark.nightly
def test_folds_side_by_side_are_the_same_folds(tuned_project, monkeypatch):
    params = tuned_project({"m": member("blobs", training={"epochs": 2})})
    training_stage.train(params, "m")
    alone = [pd.read_csv(models_of()[f"fold-{fold}.csv"]) for fold in (0, 1)]
    shutil.rmtree(paths.resume("blobs", "m"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("JOBS", "2")
    monkeypatch.setattr(fit, "fold_network", None)  # of this process, where nothing trains now
    training_stage.train(params, "m")
    for fold, before in enumerate(alone):
        history = pd.read_csv(models_of()[f"fold-{fold}.csv"])
        assert np.allclose(history, before, atol=1e-3)


def test_images_grow_and_the_epoch_is_chosen_among_those_of_the_last_size(tuned_project, monkeypatch):
    training = {"epochs": 4, "progressive_pixels": [[6, 6]], "schedule": "constant", "monitor": "val_loss"}
    params = tuned_project({"m": member("blobs", "resnet", training=training)}, split={"count": 1})
    sizes, trained = [], fit.fit

    def noted(trainer, *arguments, **options):
        network = next(layer for layer in trainer.layers if layer.name == "resnet")
        sizes.append((network.input_shape[1:3], options["epochs"]))
        trained(trainer, *arguments, **options)

    monkeypatch.setattr(fit, "fit", noted)
    training_stage.train(params, "m")
    assert sizes == [((6, 6), 2), ((12, 12), 4)]
    run = json.loads(models_of()["run.json"].read_text())["runs"][0]
    losses = pd.read_csv(models_of()["fold-0.csv"])["val_loss"].tolist()
    assert run["val_loss"] == pytest.approx(min(losses[2:]))
    predict.predict(params, "m")
    out_of_fold = load_predictions(paths.predictions("blobs", "m") / "oof.npz")
    labels = TaskData("blobs").labels[TaskData("blobs").folds == 0]
    assert log_loss(out_of_fold.probabilities, labels) == pytest.approx(min(losses[2:]), rel=1e-4)


def test_a_network_whose_weights_depend_on_the_size_has_one_size(tuned_project):
    entry = {"task": "blobs", "architecture": "fast", "training": {"epochs": 2, "progressive_pixels": [[6, 6]]}}
    params = tuned_project({"m": entry}, split={"count": 1})
    with pytest.raises(BadInput, match=r"progressive_pixels: \[6, 6\] gives fast other weights than its own size"):
        training_stage.train(params, "m")


@pytest.mark.nightly
@pytest.mark.parametrize("loss", ["nll", "binary_cross_entropy"])
def test_losses_learn(tuned_project, loss):
    params = tuned_project({"m": member("blobs", training={"epochs": 20, "loss": loss})}, split={"count": 1})
    training_stage.train(params, "m")
    assert pd.read_csv(models_of()["fold-0.csv"])["val_accuracy"].max() > 0.8


def test_a_validation_loss_that_is_not_a_number_is_named(tuned_project, monkeypatch, capsys):
    monkeypatch.setattr(callbacks, "predict_logits", lambda model, images, rows, **_: np.full((len(rows), 3), np.nan))
    params = tuned_project({"m": member("blobs", training={"epochs": 1})}, split={"count": 1})
    training_stage.train(params, "m")
    sentence = "m: validation loss is not a number in fold-0 (1 of 1 epochs), although training loss is. Lower"
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("monitor", "best_loss"),
    [("val_loss", min), pytest.param("none", lambda losses: losses[-1], marks=pytest.mark.nightly)],
)
def test_the_epoch_with_the_best_figure_is_kept_or_the_last_one(tuned_project, monitor, best_loss):
    training = {"epochs": 6, "optimiser": "sgd", "schedule": "constant", "learning_rate": 2.0, "monitor": monitor}
    params = tuned_project({"m": member("blobs", training=training)})
    training_stage.train(params, "m")
    predict.predict(params, "m")
    oof = load_predictions(paths.predictions("blobs", "m") / "oof.npz").probabilities
    folds, labels = TaskData("blobs").folds, np.load(paths.images("blobs") / "train_labels.npy")
    losses = [pd.read_csv(models_of()[f"fold-{fold}.csv"])["val_loss"].tolist() for fold in range(2)]
    assert any(fold_losses[-1] > 1.01 * min(fold_losses) for fold_losses in losses), (
        "the last epochs are the best ones, which tells nothing"
    )
    for fold, run in enumerate(json.loads(models_of()["run.json"].read_text())["runs"]):
        assert run["val_loss"] == pytest.approx(best_loss(losses[fold]))
        assert log_loss(oof[folds == fold], labels[folds == fold]) == pytest.approx(best_loss(losses[fold]), rel=1e-3)


@pytest.mark.nightly
def test_early_stopping_stops(tuned_project):
    settings = {"epochs": 30, "schedule": "constant", "learning_rate": 1e-9, "early_stopping_patience_epochs": 2}
    params = tuned_project({"m": member("blobs", training={**settings, "monitor": "val_accuracy"})})
    training_stage.train(params, "m")
    assert len(pd.read_csv(models_of()["fold-0.csv"])) < 10


@pytest.mark.parametrize(("rows", "steps"), [(2, (1, 1)), (160, (10, 20)), (1_000, (20, 40)), (60_000, (400, 500))])
def test_a_batch_size_that_is_left_out_gives_a_sensible_number_of_steps(rows, steps):
    size = batch_size_for(rows)
    assert steps[0] <= steps_per_epoch(rows, size) <= steps[1]
    assert batch_size_for(rows, 100) == 100


@pytest.mark.nightly
def test_the_chosen_batch_size_is_shown(tuned_project, capsys):
    params = tuned_project({"m": member("blobs", training={"epochs": 1, "batch_size": None})}, split={"count": 1})
    training_stage.train(params, "m")
    assert "m  batches of 16 images: 3 steps an epoch for 48 training images\n" in capsys.readouterr().out


def test_every_purpose_and_every_epoch_has_its_own_random_numbers():
    seeds = [(1, 2), (1, 2, 0), (1, 2, 0, 0), (0, 1, 2), (1, 2, 1)]
    keys = [(seed, purpose, index) for seed in seeds for purpose in Purpose for index in (0, 1)]
    assert len({stream(*key).bytes(16) for key in keys}) == len(keys)
    assert len({seed_of(*key) for key in keys}) == len(keys)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.nightly)])
def test_mixed_precision_trains_and_predicts_float32(tuned_project, precision):
    params = tuned_project({"m": member("blobs", training={"precision": precision, "epochs": 1})}, split={"count": 1})
    training_stage.train(params, "m")
    predict.predict(params, "m")
    assert load_predictions(paths.predictions("blobs", "m") / "test.npz").probabilities.dtype == np.float32


@pytest.mark.nightly
def test_a_removed_member_leaves_the_ensemble(tuned_project):
    members = {name: member("blobs", training={"epochs": 1}) for name in ("m", "n")}
    params = tuned_project(members)
    for name in members:
        training_stage.train(params, name)
        predict.predict(params, name)
    ensemble.ensemble(params, "blobs")
    params = tuned_project({"n": members["n"]})
    ensemble.ensemble(params, "blobs")
    ensemble_json = json.loads((paths.ensemble("blobs") / "ensemble.json").read_text())
    assert ensemble_json["weights"] == {"n": 1.0}


@pytest.mark.nightly
def test_predictions_of_other_rows_are_refused_by_name(finished):
    predict.predict(finished, "m")
    path = paths.predictions("blobs", "m") / "oof.npz"
    arrays = dict(np.load(path))
    arrays["ids"] = arrays["ids"] + 1
    np.savez(path, **arrays)
    with pytest.raises(BadInput, match=r"predictions/m/oof\.npz: id 0 is missing"):
        ensemble.ensemble(finished, "blobs")


def test_members_of_other_folds_are_refused_by_name(finished):
    predict.predict(finished, "m")
    table = pd.read_csv(paths.folds("blobs"))
    table.assign(fold=(table["fold"] + 1) % 2).to_csv(paths.folds("blobs"), index=False)
    with pytest.raises(
        BadInput, match=r"predictions/m/oof\.npz: made with other folds than those of artifacts/blobs/fol"
    ):
        ensemble.ensemble(finished, "blobs")
    with pytest.raises(
        BadInput, match=r"members/m/run\.json: trained on other folds than those of artifacts/blobs/folds"
    ):
        predict.predict(finished, "m")


def test_an_option_of_no_architecture_is_one_sentence(tuned_project):
    entry = member("blobs")
    entry["options"] = {"breadth": 3}
    with pytest.raises(BadInput, match=r"members\.m\.options\.breadth: unknown key; legal are width, "):
        training_stage.train(tuned_project({"m": entry}), "m")
    assert not paths.models("blobs", "m").exists()


def test_a_diverging_fold_is_loud(tuned_project):
    settings = {"optimiser": "sgd", "learning_rate": 1e30, "schedule": "constant", "epochs": 20, "batch_size": 4}
    params = tuned_project({"m": {"task": "blobs", "architecture": "fast", "training": settings}})
    with pytest.raises(BadInput, match=r"m  fold 1/2: the loss is (nan|inf) in epoch \d, expected a finite number"):
        training_stage.train(params, "m")
    assert not paths.models("blobs", "m").exists()


class ResourceExhaustedError(Exception):
    """Stands for TensorFlow's error of this name."""


@pytest.mark.parametrize(
    "error",
    [ResourceExhaustedError("OOM"), RuntimeError("RESOURCE_EXHAUSTED: Out of memory")],
    ids=["tensorflow", "jax"],
)
def test_a_batch_that_does_not_fit_into_memory_ends_with_a_size_that_does(tuned_project, monkeypatch, error):
    params = tuned_project({"m": member("blobs", training={"batch_size": 16})})
    fit_for_real = fit.fit

    def fit_with_little_memory(trainer, batches, callbacks, **options):
        if batches.batch_size > 5:
            raise error
        fit_for_real(trainer, batches, callbacks, **options)

    monkeypatch.setattr(fit, "fit", fit_with_little_memory)
    with pytest.raises(BadInput) as refusal:
        training_stage.train(params, "m")
    sentence = "members.m.training.batch_size: 16 images do not fit into the memory of the device, 4 do"
    assert str(refusal.value) == f"{paths.PARAMS}: {sentence}"


def test_a_prediction_that_does_not_fit_into_memory_takes_smaller_batches(tuned_project, monkeypatch):
    params = tuned_project({"m": member("blobs", training={"epochs": 1})}, split={"count": 1})
    training_stage.train(params, "m")
    predict.predict(params, "m")
    oof = load_predictions(paths.predictions("blobs", "m") / "oof.npz")
    predict_for_real, sizes = keras.Model.predict, []

    def predict_with_little_memory(model, batches, **options):
        sizes.append(batches.batch_size)
        if batches.batch_size > 20:
            raise ResourceExhaustedError("OOM")
        return predict_for_real(model, batches, **options)

    monkeypatch.setattr(keras.Model, "predict", predict_with_little_memory)
    predict.predict(params, "m")
    assert sizes[:6] == [500, 250, 125, 62, 31, 15]
    again = load_predictions(paths.predictions("blobs", "m") / "oof.npz")
    assert again.probabilities == pytest.approx(oof.probabilities, abs=1e-5)


def test_a_training_names_its_device_and_warns_of_an_unused_gpu(tuned_project, tmp_path, monkeypatch, capsys):
    params = tuned_project({"m": member("blobs", training={"epochs": 1})}, split={"count": 1})
    training_stage.train(params, "m")
    printed = capsys.readouterr()
    (line,) = [line for line in printed.out.splitlines() if "computes on" in line]
    assert line.startswith("m  computes on the CPU, ") and " cores, with TensorFlow 2" in line
    assert "warning" not in printed.err
    write_nvidia_smi(tmp_path, "GPU 0: NVIDIA H200 (UUID: GPU-5a)")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")  # which the import of the backend set
    devices.installed_gpus.cache_clear()
    training_stage.train(params, "m")
    assert "m: warning: NVIDIA H200 is not used, because TensorFlow finds no GPU; type " in capsys.readouterr().err
    devices.installed_gpus.cache_clear()
