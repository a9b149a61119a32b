"""Transfer learning: weights from a file, frozen first, then tuned from the top."""

import keras
import numpy as np
import pytest
from keras import applications

import models
from models.parts.cost import without_weights
from models.parts.freezing import freeze, rate_shares
from pipeline.config.schema import Training
from pipeline.training.phases import Phase, compile_trainer, phases, stretches

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
@pytest.mark.parametrize(
    ("backbone", "black", "white"),
    [
        ("mobilenet", -1, 1),
        ("vgg16", -123.68, 151.061),
        pytest.param("densenet121", -2.1179, 2.64, marks=pytest.mark.nightly),  # (0 - 0.485) / 0.229, 0.594 / 0.225
        pytest.param("efficientnetv2b0", 0, 255, marks=pytest.mark.nightly),  # preprocesses inside
        pytest.param("torch_mobilenetv2", -2.1179, 2.64, marks=pytest.mark.nightly),
    ],
)
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
    file = "mobilenet_2_5_224_tf_no_top.h5"
    with pytest.raises(
        ValueError, match=rf"no ImageNet weights of mobilenet: .* download https://.*{file} .*, to .*/models/{file}"
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
    step_by_step = Training(frozen_epochs=1, tuned_layers=[2, 5, 9], learning_rate=1e-3, tuned_learning_rate=1e-5)
    assert phases(step_by_step, 7)[1:] == [Phase(1, 3, 1e-5, 2), Phase(3, 5, 1e-5, 5), Phase(5, 7, 1e-5, 9)]
    assert phases(training, 2) == [Phase(0, 2, 1e-3, 0)]
    assert phases(Training(), 5) == [Phase(0, 5, 1e-3, None)]


def test_sizes_have_equal_parts_of_the_epochs_across_phases():
    training = Training(epochs=9, frozen_epochs=4, progressive_pixels=[[32, 32], [48, 64]])
    first, second = phases(training, 9)
    assert stretches(training, first, 9) == [((32, 32), 3), ((48, 64), 4)]
    assert stretches(training, second, 9) == [((48, 64), 6), (None, 9)]
    assert stretches(Training(), Phase(0, 5, 1e-3, None), 5) == [(None, 5)]


def test_layers_near_the_input_learn_more_slowly():
    """Three layers in the backbone, of which the first has a hundredth of the learning rate, and a head."""
    inputs = keras.Input((4,))
    body = keras.Sequential([inputs, *(keras.layers.Dense(4, activation="tanh") for _ in range(3))], name="backbone")
    model = keras.Model(inputs, keras.layers.Dense(2, name="logits")(body(inputs)))
    expected = np.repeat([0.01, 0.01 ** (2 / 3), 0.01 ** (1 / 3), 1], 2)
    assert rate_shares(model, 0.01) == pytest.approx(expected)
    before = [np.array(variable) for variable in model.trainable_variables]
    moves = {}
    for share in (1.0, 0.01):
        for variable, value in zip(model.trainable_variables, before, strict=True):
            variable.assign(value)
        training = Training(optimiser="sgd", schedule="constant", learning_rate=0.5, first_layer_rate_share=share)
        trainer = compile_trainer(model, training, phases(training, 1)[0], 1, False)
        trainer.train_on_batch(np.eye(4, dtype="float32"), np.eye(2, dtype="float32")[[0, 1, 1, 1]])
        moves[share] = [np.array(v) - old for v, old in zip(model.trainable_variables, before, strict=True)]
    for whole, part, share in zip(moves[1.0], moves[0.01], expected, strict=True):
        assert np.abs(whole).max() > 1e-4
        assert part == pytest.approx(share * whole, rel=1e-3, abs=1e-7)
    freeze(model, tuned_layers=1)
    assert rate_shares(model, 0.01) == pytest.approx([0.01, 0.01, 1, 1]), "of the layers that train"


def test_hidden_layers_follow_the_backbone_and_train_while_it_is_frozen():
    with without_weights():
        network = build(None, units=[7, 6])
        freeze(network)
        place = network.layers.index(network.get_layer("backbone"))
        dense = [layer for layer in network.layers[place:] if isinstance(layer, keras.layers.Dense)]
        assert [layer.units for layer in dense] == [7, 6, 5]
        assert len(network.trainable_weights) == 6  # kernels and biases
