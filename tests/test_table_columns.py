"""Columns of a table beside the images: from raw files to a network, which sees them on the scale of its own rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.table import read_table
from pipeline import ensemble, explain, ingest, predict, train, tune
from pipeline.config.schema import load_params
from pipeline.running.backend import keras  # before what imports Keras itself
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from pipeline.storage.predictions import load_predictions
from pipeline.storage.task_data import TaskData
from pipeline.training.fold_jobs import key_of
from pipeline.training.network import build_model, load_model, predict_logits
from tests.projects import member, task, to_folds, write_blobs, write_params

# isort: split
from models.parts.columns import encoder, with_columns
from tests.networks import SMALL, sampled


def texts(**columns):
    return pd.DataFrame({name: list(map(str, values)) for name, values in columns.items()})


def test_numbers_and_categories_are_told_apart_and_gaps_are_nan():
    train_rows = texts(age=[30, "NA", 50], sex=["male", "", "female"])
    test_rows = texts(age=["sixty", 70], sex=["female", "unheard of"])
    table = read_table(train_rows, test_rows)
    assert table.categories == [[], ["female", "male"]]
    assert np.array_equal(table.train, [[30, 1], [np.nan, np.nan], [50, 0]], equal_nan=True)
    assert np.array_equal(table.test, [[np.nan, 0], [70, np.nan]], equal_nan=True)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [(["", "na", "?"], "column 'x' has no value"), ([f"id{n}" for n in range(1001)], "1001 different texts")],
)
def test_a_column_that_says_nothing_is_refused(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_table(texts(x=values), texts(x=["1"]))


def test_features_are_scaled_by_training_rows_alone():
    rows = np.array([[10, 0], [20, 2], [np.nan, 2]], np.float32)
    encoded = encoder(rows, [False, True])
    given = np.array([[25, 0], [np.nan, 1], [15, np.nan], [1e9, 2]], np.float32)
    # (x - 15) / 5, whether x is missing, category 0, category 2; category 1 is in no training row
    expected = [[2, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0], [5, 0, 0, 1]]
    assert keras.ops.convert_to_numpy(encoded(given)).tolist() == expected
    again = type(encoded).from_config(encoded.get_config())
    assert keras.ops.convert_to_numpy(again(given)).tolist() == expected


def test_a_column_without_values_or_without_spread_in_a_fold_is_harmless():
    rows = np.array([[7, np.nan, np.nan], [7, np.nan, np.nan]], np.float32)
    features = keras.ops.convert_to_numpy(encoder(rows, [False, False, True])(rows))
    assert features.tolist() == [[0], [0]]


@pytest.mark.parametrize("architecture", sampled(sorted(SMALL)))
def test_every_architecture_joins_columns_before_its_logits(architecture):
    import models

    network = models.build(architecture, (32, 32, 1), 3, SMALL[architecture])
    columns = np.array([[1.0], [2.0]], np.float32)
    joined = with_columns(network, encoder(columns, [False]), 1)
    images = np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)
    before = network.predict(images, verbose=0)
    assert np.allclose(joined.predict([images, columns], verbose=0), before, atol=1e-5)  # a fresh table says nothing
    weights = joined.get_layer("columns_logits")
    weights.set_weights([np.ones_like(weights.get_weights()[0])])
    other = joined.predict([images, columns[::-1]], verbose=0)
    assert np.abs(joined.predict([images, columns], verbose=0) - other).max() > 1e-3


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that writes images that say nothing of their class, and a table that says all of it."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    write_blobs(Path("raw"))
    tables = {name: pd.read_csv(f"raw/{name}.csv") for name in ("train", "test")}
    places = {"train": tables["train"]["Label"], "test": np.arange(60, 72) % 3}
    for name, table in tables.items():
        pixels = table.filter(like="pixel").columns
        np.save("pixels.npy", rng.integers(0, 255, (len(table), 144)))
        images = table[["Id"]].join(pd.DataFrame(np.load("pixels.npy"), columns=pixels))
        images.to_csv(f"raw/{name}_images.csv", index=False)
        description = table[["Id"]].assign(
            size=places[name] * 10 + rng.integers(0, 3, len(table)),
            colour=np.array(["red", "blue", ""])[rng.integers(0, 3, len(table))],
            noise=1,
        )
        if name == "train":
            description["Label"] = table["Label"]
        description.to_csv(f"raw/{name}.csv", index=False)

    def to_split(members, patterns=("size", "colo*"), **changes):
        files = {
            "train": {"images": "train_images.csv", "labels": "train.csv"},
            "test": {"images": "test_images.csv", "labels": "test.csv"},
        }
        prepare = {} if patterns is None else {"prepare": {"columns": list(patterns)}}
        return to_folds(
            members, **{"ingest": task("raw")["ingest"] | files, "split": {"count": 2}, **prepare, **changes}
        )

    return to_split


def test_prepare_writes_columns_beside_the_images(project, capsys):
    project({"m": member("blobs")})
    assert "ingest blobs: 1 columns are not used: noise; prepare.columns would join" in capsys.readouterr().out
    data = TaskData("blobs")
    assert data.columns("train").shape == (60, 2) and data.columns("test").shape == (12, 2)
    assert data.is_category == [False, True] and data.about["columns"]["names"] == ["size", "colour"]
    assert (data.columns("train")[:, 0] // 10 == data.labels).all()
    project({"m": member("blobs")}, patterns=None)
    assert "3 columns are not used: size, colour, noise" in capsys.readouterr().out
    assert "columns" not in TaskData("blobs").about and TaskData("blobs").columns("train") is None


def test_new_values_train_again_and_other_columns_do_not(project):
    params = project({"m": member("blobs"), "alone": member("blobs", columns=False)})
    before = key_of(params.members["m"], "blobs")
    table = pd.read_csv("raw/train.csv")
    table.assign(noise=2).to_csv("raw/train.csv", index=False)
    assert key_of(project({"m": member("blobs")}).members["m"], "blobs") == before
    table.assign(size=table["size"] + 1).to_csv("raw/train.csv", index=False)
    assert key_of(project({"m": member("blobs")}).members["m"], "blobs") != before


def test_a_column_that_is_missing_is_refused(project):
    with pytest.raises(BadInput, match=r"train_columns.csv: no column 'weight', which prepare.columns names"):
        project({"m": member("blobs")}, patterns=["weight"])
    pd.read_csv("raw/test.csv").drop(columns="size").to_csv("raw/test.csv", index=False)
    with pytest.raises(BadInput, match=r"test_columns.csv: no column 'size', which"):
        project({"m": member("blobs")})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"augment": {"mixup_alpha": 0.2}}, "augment: mixes images, which tasks.blobs.prepare.columns cannot join"),
        ({"augment": {"mixup_alpha": 0.2}, "columns": False}, None),
    ],
)
def test_what_mixes_images_needs_images_alone(tmp_path, changes, sentence):
    write_params(tmp_path, {"blobs": task("raw", prepare={"columns": ["size"]})}, {"m": member("blobs", **changes)})
    if sentence is None:
        load_params(tmp_path / "params.yaml")
        return
    with pytest.raises(BadInput, match=sentence):
        load_params(tmp_path / "params.yaml")


@pytest.mark.slow
def test_a_member_learns_from_columns_what_images_do_not_show(project):
    settings = {"training": {"epochs": 12, "learning_rate": 3e-2}}
    params = project(
        {"m": member("blobs", **settings), "alone": member("blobs", columns=False, training={"epochs": 1})},
        predict={"flip": True},
        split={"count": 1},
    )
    for name in ("m", "alone"):
        tune.tune(params, name)
        train.train(params, name)
        predict.predict(params, name)
    data = TaskData("blobs")
    test = load_predictions(paths.predictions("blobs", "m") / "test.npz").probabilities
    assert (test.argmax(axis=1) == np.arange(60, 72) % 3).mean() > 0.9
    model = load_model(paths.models("blobs", "m") / "fold-0.keras")
    logits = predict_logits(model, data.images("test"), np.arange(12), columns=data.columns("test"))
    assert np.isfinite(logits).all() and load_model(paths.models("blobs", "alone") / "fold-0.keras").input_shape[
        1:
    ] == (
        12,
        12,
        1,
    )
    picture, evidence = explain.explain(params, "m", "60")
    assert picture.columns.shape == (2,) and evidence[0].heat.shape == (12, 12)
    ensemble.ensemble(params, "blobs")


def test_the_model_has_two_inputs(project):
    params = project({"m": member("blobs")})
    rows = np.arange(30)
    model = build_model(params.members["m"], rows)
    columns = TaskData("blobs").columns("train")
    expected = np.nanmean(columns[rows, 0])
    assert model.get_layer("encoded_columns").means == pytest.approx([expected])
    assert [tuple(shape) for shape in model.input_shape] == [(None, 12, 12, 1), (None, 2)]
    ingest.ingest(params, "blobs")
