"""One contract over the whole registry, on an odd class count and odd image sizes."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.special import softmax

import models
from models import ARCHITECTURES
from models.parts import wrap
from models.parts.compiling import jit_compile
from models.parts.cost import flops, weighted_layers, without_weights
from models.parts.layers import convolution, dirac, halve
from models.parts.optimisers import optimiser
from tests.networks import SAMPLE, SMALL

VARIANTS = [
    ("features", {**SMALL["features"], "backbone": "resnet50v2"}),  # the smallest whose random features differ
    ("deep_resnet", {"filters": [4, 4, 8, 8], "small_images": True, "activation": "leaky_relu"}),
    ("deep_resnet", {"filters": [4, 4, 4, 4], "depth": 50}),
    ("alexnet", {**SMALL["alexnet"], "pool_stride_pixels": 2}),
    ("vgg", {**SMALL["vgg"], "batch_norm": True}),
    ("resnet", {**SMALL["resnet"], "first_stride_pixels": 1}),
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_grey_and_colour(architecture, channels):
    network = models.build(architecture, (28, 30, channels), 5, SMALL[architecture])
    images = np.random.default_rng(0).random((2, 28, 30, channels), dtype=np.float32)
    probabilities = softmax(ops.convert_to_numpy(network(images)), axis=1)
    assert np.allclose(probabilities.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        *(pytest.param(name, SMALL[name], marks=pytest.mark.slow) for name in SAMPLE),
        *(
            pytest.param(name, SMALL[name], marks=pytest.mark.nightly)
            for name in sorted(SMALL.keys() - {*SAMPLE, "features"})
        ),
        *(pytest.param(*variant, marks=pytest.mark.nightly) for variant in VARIANTS),
    ],
)
def test_contract(architecture, options, tmp_path):
    keras.utils.set_random_seed(0)
    image_shape = (19, 23, 1)
    network = models.build(architecture, image_shape, 7, options)
    model = wrap.on_images(network, image_shape, np.float64(1 / 255), np.float64(0))
    rng = np.random.default_rng(0)
    kinds = np.arange(14) % 7
    noise = rng.integers(0, 60, (14, *image_shape))
    images = (noise + 30 * kinds[:, None, None, None]).astype(np.uint8)  # the brighter, the higher the class
    targets = np.eye(7, dtype="float32")[kinds]
    trainer = keras.Model(model.inputs, model.outputs)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    trainer.compile(optimizer=optimiser("adam", 4e-3), loss=loss, jit_compile=jit_compile())
    losses = trainer.fit(images, targets, batch_size=14, epochs=40, verbose=0).history["loss"]
    assert min(losses[-3:]) < 0.9 * losses[0]
    logits = ops.convert_to_numpy(model(images))
    assert (logits.shape, logits.dtype) == ((14, 7), np.float32)
    assert np.allclose(softmax(logits, axis=1).sum(1), 1)
    assert '"models.' not in network.to_json(), "Keras alone cannot load it"
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.allclose(ops.convert_to_numpy(again(images)), logits, atol=1e-5)


@pytest.mark.parametrize("filters", [2, 3, 5])
def test_dirac_kernels_pass_the_first_channels_on(filters):
    images = keras.Input((6, 7, 3))
    network = keras.Model(images, convolution(images, filters, initializer=dirac))
    pixels = np.random.default_rng(0).random((2, 6, 7, 3), dtype=np.float32)
    result = ops.convert_to_numpy(network(pixels))
    assert np.allclose(result[..., :3], pixels[..., :filters], atol=1e-6)
    assert (result[..., 3:].std(axis=(0, 1, 2)) > 0.01).all()


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
@pytest.mark.parametrize("sides", [(6, 4), (7, 5), (2, 3)])
def test_halving_keeps_the_greatest_of_four_pixels(monkeypatch, backend, sides):
    monkeypatch.setattr("keras.backend.backend", lambda: backend)
    images = keras.Input((*sides, 3))
    pixels = np.random.default_rng(0).normal(size=(2, *sides, 3)).astype("float32")
    result = ops.convert_to_numpy(keras.Model(images, halve(images))(pixels))
    rows, columns = sides[0] // 2, sides[1] // 2
    expected = pixels[:, : 2 * rows, : 2 * columns].reshape(2, rows, 2, columns, 2, 3).max(axis=(2, 4))
    assert np.array_equal(result, expected)


def test_every_architecture_keeps_the_contract():
    assert set(SMALL) == set(ARCHITECTURES)


@pytest.mark.nightly
@pytest.mark.parametrize("image_shape", [(28, 28, 1), (32, 32, 3), (64, 64, 1), (64, 128, 1)])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_usual_image_sizes(architecture, image_shape):
    with without_weights():
        options = {"weights": None} if architecture in ("features", "pretrained") else {}
        assert models.build(architecture, image_shape, 7, options).output_shape == (None, 7)


ANY_SIZE = {"features", "feedforward", "lenet", "overlap_cnn", "pretrained", "vgg"}


@pytest.mark.parametrize("architecture", sorted(set(ARCHITECTURES) - ANY_SIZE))
def test_too_small_images_are_refused_in_one_sentence(architecture):
    with pytest.raises(ValueError, match=rf"{architecture} cannot be built .*\(1, 28, 1\): each side needs at least"):
        models.build(architecture, (1, 28, 1), 3, {})


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_unknown_option_names_the_legal_ones(architecture):
    with pytest.raises(ValueError, match=r"option 'breadth' of \w+ is unknown; legal are .*(activation|backbone)"):
        models.build(architecture, (28, 28, 1), 3, {"breadth": 3})


def test_an_image_too_small_is_one_sentence():
    with pytest.raises(ValueError, match=r"fast cannot be built for images of shape \(2, 4, 1\): each side needs"):
        models.build("fast", (2, 4, 1), 3, {})


def test_the_default_members_are_small():
    assert models.build("fast", (28, 28, 1), 10, {}).count_params() < 300_000
    assert models.build("resnet", (28, 28, 1), 10, {}).count_params() < 1_300_000


@pytest.mark.parametrize("normalise", ["standardise", "unit", "pixel_mean"])
def test_normalisation_is_the_first_layer(normalise):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 6, 5, 3), dtype=np.uint8)
    pixel_mean, mean, std = images.mean(0), images.mean((0, 1, 2)), images.std((0, 1, 2))
    identity = keras.Sequential([keras.Input((6, 5, 3)), keras.layers.Identity()])
    model = wrap.on_images(identity, (6, 5, 3), *wrap.affine(normalise, mean, std, pixel_mean))
    expected = {"standardise": (images - mean) / std, "unit": images / 255, "pixel_mean": (images - pixel_mean) / 255}
    assert np.allclose(model.predict(images, verbose=0), expected[normalise], atol=1e-4)


def test_a_network_of_another_size_sees_resized_images():
    identity = keras.Sequential([keras.Input((8, 6, 1)), keras.layers.Identity()])
    model = wrap.on_images(identity, (4, 3, 1), np.float64(1), np.float64(0))
    constant = np.full((2, 4, 3, 1), 7, np.uint8)
    assert np.allclose(model.predict(constant, verbose=0), np.full((2, 8, 6, 1), 7))


def test_cost_of_a_network_counted_by_hand():
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same")(images)  # 4x4 places, 3 * 3 * 3 * 4 weights
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)  # 4x4 places, 3 * 3 * 4 weights
    inner = keras.Model(images, keras.layers.Dense(5)(keras.layers.Flatten()(x)))  # 64 * 5 weights
    outer = keras.Model(images, inner(images))
    assert weighted_layers(outer) == 3
    assert flops(outer) == 2 * (16 * 108 + 16 * 36 + 320)


def test_networks_that_are_only_looked_at_never_get_weights():
    with without_weights():
        kernel = models.build("feedforward", (28, 28, 1), 10, {}).layers[-1].kernel
    with keras.StatelessScope():  # its end draws the weights of all networks that Keras knows to lack them
        pass
    assert kernel._value is None
