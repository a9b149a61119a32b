"""Members with architecture `features`: vectors are computed once, and a fold is a logistic regression on them."""

import json
import math

import numpy as np
import pytest
from keras import applications, layers, ops
from numpy.random import default_rng
from PIL import Image
from sklearn.linear_model import LogisticRegression

from models.backbones.extraction import Extraction, extractor, resize
from models.parts import freezing
from pipeline import ensemble, predict, submission, train, tune
from pipeline.config.errors import BadInput
from pipeline.config.schema import load_params
from pipeline.storage import paths
from pipeline.storage.predictions import load_predictions
from pipeline.storage.task_data import TaskData
from pipeline.training import vectors
from tests.projects import task, to_folds, write_blobs, write_params

BACKBONE = "mobilenetv3small"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.weights.h5"
    network = applications.MobileNetV3Small(include_top=False, weights=None, input_shape=(32, 32, 3))
    rng = default_rng(0)
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):  # as large as its inputs, unlike Keras's default
            shape = layer.kernel.shape
            inputs = math.prod(shape[:2]) * (1 if isinstance(layer, layers.DepthwiseConv2D) else shape[2])
            layer.kernel.assign(rng.normal(0, (2 / inputs) ** 0.5, shape))
    network.save_weights(path)
    return str(path)


def entry(weights, **changes):
    options = {"backbone": BACKBONE, "weights": weights, "size_pixels": 32} | changes.pop("options", {})
    return {"task": "blobs", "architecture": "features", "options": options} | changes


@pytest.fixture
def blobs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_blobs(tmp_path / "raw")


@pytest.fixture
def computed(monkeypatch):
    """Return the titles of the vectors that were computed."""
    titles, compute = [], vectors._compute
    monkeypatch.setattr(vectors, "_compute", lambda *given: titles.append(given[-1]) or compute(*given))
    return titles


@pytest.mark.slow
def test_a_member_from_folds_to_a_submission(weights, blobs, computed):
    params = to_folds({"m": entry(weights, options={"c": 0.1}), "chosen": entry(weights)})
    for name in params.members:
        for stage in (tune.tune, train.train, predict.predict):
            stage(params, name)
    assert computed == ["blobs  train images", "blobs  test images"]
    ensemble.ensemble(params, "blobs")
    submission.submission(params, "blobs")
    assert paths.submission("blobs").exists()
    data, inputs = TaskData("blobs"), vectors.load_vectors(params.members["m"], "train")
    oof = load_predictions(paths.predictions("blobs", "m") / "oof.npz", label_sets=False)
    for fold in range(3):
        training = data.folds != fold
        mean, spread = inputs[training].mean(axis=0), np.maximum(inputs[training].std(axis=0), 1e-6)
        regression = LogisticRegression(C=0.1, tol=1e-6, max_iter=1000)
        regression.fit((inputs[training] - mean) / spread, data.labels[training])
        expected = regression.predict_proba((inputs[~training] - mean) / spread)
        assert np.allclose(oof.probabilities[~training], expected, atol=5e-3) and expected.std() > 0.1
    run = json.loads((paths.models("blobs", "chosen") / "run.json").read_text())
    assert run["parameters"] > 900_000 and run["flops"] > 1e6
    assert (paths.models("blobs", "m") / "fold-0.keras").stat().st_size < 100_000


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [((62, 66), 65, (62, 66)), ((24, 30), 65, (58, 73)), ((31, 40), 36, (32, 41))],
    ids=["about right", "small", "too small for the network"],
)
def test_images_are_resized_unless_they_have_about_the_right_size(size, side, expected):
    network = extractor((*size, 3), Extraction("mobilenet", None, side, flip=False)).get_layer(freezing.BACKBONE)
    assert network.input_shape[1:3] == expected


@pytest.mark.parametrize("size", [(20, 26), (7, 9)], ids=["enlarged", "shrunk"])
def test_images_are_resized_as_pillow_does(size):
    images = np.random.default_rng(0).integers(64, 192, (2, 10, 13, 3), dtype=np.uint8)
    resized = ops.convert_to_numpy(resize(ops.convert_to_tensor(images), size))
    for image, ours in zip(images, resized, strict=True):
        expected = Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC)
        assert np.abs(ours - np.asarray(expected)).max() < 1.5, "Pillow rounds after each axis"


@pytest.mark.slow
def test_vectors_depend_on_the_images_and_on_how_they_are_computed(weights, blobs, computed):
    params = to_folds({"m": entry(weights), "two_views": entry(weights, options={"flip": True})})
    first, other = (vectors.load_vectors(params.members[name], "train") for name in ("m", "two_views"))
    assert len(computed) == 2 and first.shape == other.shape == (60, 576), first.shape
    assert not np.allclose(first, other)
    images = np.load(paths.images("blobs") / "train_images.npy")
    np.save(paths.images("blobs") / "new.npy", images[::-1])
    (paths.images("blobs") / "new.npy").replace(paths.images("blobs") / "train_images.npy")
    assert np.allclose(vectors.load_vectors(params.members["m"], "train"), first[::-1], atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"augment": {"flip": True}}, r"m\.augment: expected none with architecture 'features'"),
        (
            {"resize_pixels": [32, 32]},
            r"m\.resize_pixels: .*, expected none .*; use its option size_pixels",
        ),
        ({"options": {"weights": None}}, r"m\.options\.weights: null, expected pretrained weights"),
        ({"options": {"backbone": "mobilnetv2"}}, r"backbone: 'mobilnetv2' is not one of mobilenetv2, .* others"),
    ],
)
def test_what_makes_no_sense_is_refused_early(changes, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, {"blobs": task("raw")}, {"m": entry("w.h5", **changes)})
    with pytest.raises(BadInput, match=sentence):
        load_params(paths.PARAMS)
