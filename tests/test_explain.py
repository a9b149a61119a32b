"""Heat maps: where a network sees evidence for a class."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from pipeline import explain, train, tune
from pipeline.running.backend import keras  # before what imports Keras itself
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from pipeline.training.slopes import slope
from pipeline.training.vectors import with_backbone
from tests.projects import ROOT, member, to_folds, write_blobs

# isort: split
from keras import layers

from models.backbones.extraction import Extraction
from models.parts import wrap
from models.parts.evidence import with_gain


def corner_model(head: str) -> keras.Model:
    """Return a model of uint8 images (16, 16, 1): class 1 needs light in the upper left corner, class 0 anywhere else.

    Its last map has 8x8 places and two channels, pixels in the corner and other pixels.
    """
    images = keras.Input((16, 16, 1))
    corner = np.zeros((16, 16, 1), np.float32)
    corner[:6, :6] = 1
    masked = [layers.AveragePooling2D(2)(layers.Multiply()([images, images * mask])) for mask in (1 - corner, corner)]
    features = layers.Concatenate()(masked)
    pooled = layers.GlobalAveragePooling2D()(features) if head == "pooling" else layers.Flatten()(features)
    network = keras.Model(images, layers.Dense(2, use_bias=False, name="logits")(pooled), name="corner")
    kernel = np.eye(2, dtype=np.float32) if head == "pooling" else np.tile(np.eye(2, dtype=np.float32), (64, 1))
    network.get_layer("logits").set_weights([kernel])
    return wrap.on_images(network, (16, 16, 1), np.float64(1 / 255), np.float64(0))


def heat_of(head: str, column: int) -> np.ndarray:
    images = np.full((1, 16, 16, 1), 200, np.uint8)
    return explain.heat_map([corner_model(head)], images, column)


@pytest.mark.parametrize("head", ["pooling", "flatten"])
def test_a_class_that_depends_on_a_corner_lights_up_that_corner(head):
    heat = heat_of(head, 1)
    assert heat.shape == (16, 16) and heat[:5, :5].min() > 0.9 and heat.max() == pytest.approx(1)
    assert heat[8:].max() < 0.01 and heat[:, 8:].max() < 0.01
    other = heat_of(head, 0)
    assert other[:4, :4].max() < 0.01 and other[9:, 9:].min() > 0.9


def test_the_slope_is_that_of_finite_differences():
    model, gain = with_gain(corner_model("flatten"))
    image = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 1)).astype(np.uint8)
    derivative = slope(model, gain.gain, image, 1)
    before = model.predict(image, verbose=0)[0, 1]
    for place in [(0, 0, 0, 0), (0, 2, 1, 0), (0, 5, 5, 0)]:
        values = np.ones(gain.gain.shape, np.float32)
        values[place] = 2  # the model is linear in the gain
        gain.gain.assign(values)
        assert model.predict(image, verbose=0)[0, 1] - before == pytest.approx(derivative[place], abs=1e-4)


def test_the_gain_changes_no_output_and_shares_the_weights():
    model = corner_model("pooling")
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 1)).astype(np.uint8)
    gained, gain = with_gain(model)
    assert np.array_equal(gained.predict(images, verbose=0), model.predict(images, verbose=0))
    assert gain.gain.shape == (1, 8, 8, 1)


@pytest.mark.slow
def test_jax_finds_the_same_corner():
    code = "from tests.test_explain import heat_of; print(heat_of('flatten', 1).round(3).tolist())"
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert np.allclose(eval(process.stdout.splitlines()[-1]), heat_of("flatten", 1), atol=2e-3)


@pytest.mark.slow
def test_a_head_for_feature_vectors_gets_its_backbone_back():
    extraction = Extraction("mobilenetv2", None, 64, flip=True)
    vectors = keras.Input((1280,))
    head = keras.Model(vectors, layers.Dense(2)(vectors))
    model = with_backbone(head, (64, 64, 3), extraction)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    kernel = head.get_weights()[0]
    assert model.output_shape == (None, 2) and any(weight.shape == kernel.shape for weight in model.weights)
    gained, gain = with_gain(model)
    assert gain.gain.shape == (1, 2, 2, 1)
    assert np.allclose(gained.predict(images, verbose=0), model.predict(images, verbose=0), atol=1e-5)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with a trained member whose classes are places of a bright square."""
    root = tmp_path_factory.mktemp("explain")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        write_blobs(root / "raw")
        params = to_folds({"m": member("blobs", training={"epochs": 5})}, split={"count": 2})
        tune.tune(params, "m")
        train.train(params, "m")
    return root


@pytest.mark.slow
def test_the_command_draws_the_image_and_its_evidence(project, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(project)
    explain.main(["m", "1", str(tmp_path / "heat.png")])
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith(f"explain: {tmp_path / 'heat.png'}; 1 with ") and ", by fold-" in line
    with Image.open(tmp_path / "heat.png") as page:
        assert page.format == "PNG" and page.width > 2 * 250
    data = explain.TaskData("blobs")
    assert f"by fold-{data.folds[1]}" in line  # the model that was not trained on it
    pixels, params = np.asarray(data.images("train")[1]), explain.load_params(paths.PARAMS)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "equal.png")
    Image.fromarray(pixels[..., 0]).resize((24, 30)).save(tmp_path / "large.png")
    for image in ("60", str(tmp_path / "large.png"), str(tmp_path / "equal.png")):
        picture, evidence = explain.explain(params, "m", image)
        assert picture.models == ["fold-0", "fold-1"] and picture.pixels.shape == (12, 12, 1)
        assert evidence[0].heat.shape == (12, 12) and 0 <= evidence[0].heat.min() <= evidence[0].heat.max() <= 1
    assert np.array_equal(picture.pixels, pixels)


@pytest.mark.slow
def test_an_unknown_image_is_refused(project, monkeypatch):
    monkeypatch.chdir(project)
    with pytest.raises(BadInput, match="nowhere: neither a file nor an id of an image of blobs, such as 0 or 60"):
        explain.explain(explain.load_params(paths.PARAMS), "m", "nowhere")
