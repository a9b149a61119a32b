"""Transfer learning: weights from a file, frozen first, then tuned from the top."""

import keras
import numpy as np
import pytest
from keras import applications

import models
from models.parts.freezing import freeze
from pipeline.config.schema import Training
from pipeline.training.phases import Phase, phases

SHAPE = (20, 24, 1)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    applications.MobileNet(include_top=False, weights=None, alpha=0.25, input_shape=(32, 32, 3)).save_weights(path)
    return str(path)


def build(weights, **options):
    return models.build("pretrained", SHAPE, 5, {"weights": weights, "width": 0.25, **options})


@pytest.mark.slow
def test_the_weights_are_those_of_the_file(weights):
    first, second = (build(weights).get_layer("backbone").get_weights() for _ in range(2))
    fresh = build(None).get_layer("backbone").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], fresh[0])


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "black", "white"), [("mobilenet", -1, 1), ("vgg16", -123.68, 151.061)])
def test_grey_images_are_enlarged_coloured_and_preprocessed(backbone, black, white):
    network = build(None, backbone=backbone, width=0.25 if backbone == "mobilenet" else 1.0)
    operations = network.operations
    before = operations[operations.index(network.get_layer("backbone")) - 1].output
    seen = keras.Model(network.inputs, before)(np.stack([np.zeros(SHAPE), np.ones(SHAPE)]).astype("float32"))
    assert seen.shape == (2, 32, 38, 3)
    assert np.allclose([np.min(seen), np.max(seen)], [black, white], atol=1e-3)


def test_missing_and_wrong_weights_are_one_sentence(weights, tmp_path):
    with pytest.raises(ValueError, match=r"weights: no file nowhere.h5, expected a weights file of mobilenet"):
        build("nowhere.h5")
    with pytest.raises(
        ValueError, match=r"weights: .*mobilenet.weights.h5 is no weights file of vgg16 without its top"
    ):
        build(weights, backbone="vgg16", width=1.0)


def test_a_failed_download_says_what_to_do(monkeypatch):
    def fail(*_, **__):
        raise Exception("URL fetch failure on https://example.org: no network")

    monkeypatch.setattr("keras.src.applications.mobilenet.file_utils.get_file", fail)
    with pytest.raises(
        ValueError, match=r"no ImageNet weights of mobilenet: URL fetch failure.*; set weights to a file of them"
    ):
        build("imagenet")


def test_freezing_leaves_the_top_and_the_last_convolutions():
    network = build(None)
    everything = len(network.trainable_variables)
    freeze(network)
    assert [v.path.split("/")[-2:] for v in network.trainable_variables] == [["logits", "kernel"], ["logits", "bias"]]
    freeze(network, tuned_layers=2)
    assert len(network.trainable_variables) == 4 < everything
    with pytest.raises(ValueError, match="no pretrained part"):
        freeze(models.build("feedforward", SHAPE, 5, {}))


def test_phases():
    training = Training(frozen_epochs=2, tuned_layers=3, learning_rate=1e-3, tuned_learning_rate=1e-5)
    assert phases(training, 5) == [Phase(0, 2, 1e-3, 0), Phase(2, 5, 1e-5, 3)]
    assert phases(training, 2) == [Phase(0, 2, 1e-3, 0)]
    assert phases(Training(), 5) == [Phase(0, 5, 1e-3, None)]
