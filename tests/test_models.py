"""One contract over the whole registry, on an odd class count and odd image sizes."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from scipy.special import softmax

import models
from models import ARCHITECTURES, wrap
from models.optimisers import optimiser, schedule
from models.sums import PriceSums

SMALL = {
    "cnn": {"stem_filters": 4, "filters": [4, 8], "dropout": 0.1},
    "resnet": {"stem_filters": 4, "filters": [4, 8], "blocks": 2, "dropout": 0.1},
}


@pytest.mark.parametrize("image_shape", [(19, 23, 1), (28, 28, 3)])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_contract(architecture, image_shape, tmp_path):
    keras.utils.set_random_seed(0)
    network = models.build(architecture, image_shape, 7, SMALL[architecture])
    model = wrap.on_images(network, np.float64(1 / 255), np.float64(0))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (14, *image_shape), dtype=np.uint8)
    targets = np.eye(7, dtype="float32")[np.arange(14) % 7]
    trainer = keras.Model(model.inputs, model.outputs)
    trainer.compile(optimizer=optimiser("adam", 1e-2), loss=keras.losses.CategoricalCrossentropy(from_logits=True))
    losses = trainer.fit(images, targets, batch_size=14, epochs=12, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    logits = model.predict(images, verbose=0)
    assert (logits.shape, logits.dtype) == ((14, 7), np.float32)
    assert np.allclose(softmax(logits, axis=1).sum(1), 1)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.allclose(again.predict(images, verbose=0), logits, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_unknown_option_names_the_legal_ones(architecture):
    with pytest.raises(ValueError, match=r"option 'width' of \w+ is unknown; legal are .*filters"):
        models.build(architecture, (28, 28, 1), 3, {"width": 3})


def test_an_image_too_small_is_one_sentence():
    with pytest.raises(ValueError, match=r"cnn cannot be built for images of shape \(4, 4, 1\): each side needs"):
        models.build("cnn", (4, 4, 1), 3, {})


def test_the_default_members_are_small():
    assert models.build("cnn", (28, 28, 1), 10, {}).count_params() < 300_000
    assert models.build("resnet", (28, 28, 1), 10, {}).count_params() < 1_300_000


@pytest.mark.parametrize("normalise", ["standardise", "unit", "pixel_mean"])
def test_normalisation_is_the_first_layer(normalise):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 6, 5, 3), dtype=np.uint8)
    pixel_mean, mean, std = images.mean(0), images.mean((0, 1, 2)), images.std((0, 1, 2))
    identity = keras.Sequential([keras.Input((6, 5, 3)), keras.layers.Identity()])
    model = wrap.on_images(identity, *wrap.affine(normalise, mean, std, pixel_mean))
    expected = {"standardise": (images - mean) / std, "unit": images / 255, "pixel_mean": (images - pixel_mean) / 255}
    assert np.allclose(model.predict(images, verbose=0), expected[normalise], atol=1e-4)


@pytest.mark.parametrize(("prices", "sums", "count"), [([1, 2, 3, 4, 5], range(5, 14), 3), ([4, 2, 7], [4, 9, 14], 2)])
def test_sums_equal_enumeration(prices, sums, count):
    logits = np.random.default_rng(0).normal(size=(6, count, len(prices))).astype("float32")
    found = softmax(ops.convert_to_numpy(PriceSums(prices, list(sums))(logits)), axis=1)
    each = softmax(logits, axis=2)
    expected = np.zeros((6, len(list(sums))))
    for kinds in itertools.product(range(len(prices)), repeat=count):
        total = sum(prices[kind] for kind in kinds)
        if total in sums:
            expected[:, list(sums).index(total)] += np.prod([each[:, i, kind] for i, kind in enumerate(kinds)], axis=0)
    assert np.allclose(found, expected / expected.sum(1, keepdims=True), atol=1e-5)


def test_sums_stay_finite_on_extreme_logits():
    logits = np.zeros((1, 3, 5), "float32")
    logits[..., 0] = 1e4
    assert np.isfinite(ops.convert_to_numpy(PriceSums([1, 2, 3, 4, 5], range(5, 14))(logits))).all()


def test_a_sum_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="16 is no sum of 3 prices"):
        PriceSums([1, 2, 5], [3, 16]).build((None, 3, 3))


def test_items_share_one_network(tmp_path):
    network = models.build("cnn", (28, 28, 1), 5, SMALL["cnn"])
    sums = PriceSums([1, 2, 3, 4, 5], range(5, 14))
    model = wrap.on_items(network, np.float64(1 / 255), np.float64(0), 3, sums)
    crops = np.random.default_rng(0).integers(0, 256, (4, 3, 28, 28, 1), dtype=np.uint8)
    logits = model.predict(crops, verbose=0)
    assert logits.shape == (4, 9)
    assert np.allclose(model.predict(crops[:, ::-1], verbose=0), logits, atol=1e-4)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.allclose(again.predict(crops, verbose=0), logits, atol=1e-5)


def test_schedules_start_peak_and_end_where_they_say():
    one_cycle = schedule("one_cycle", 1.0, 100)
    rates = [float(one_cycle(step)) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == pytest.approx(1.0, abs=0.05)
    assert rates[100] == pytest.approx(0, abs=1e-6)
    assert float(schedule("cosine", 1.0, 100)(50)) == pytest.approx(0.5, abs=1e-6)
    assert schedule("plateau", 0.1, 100) == 0.1


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop"])
def test_weight_decay_spares_biases(name):
    dense = keras.layers.Dense(2, bias_initializer="ones")
    model = keras.Sequential([keras.Input((3,)), dense])
    made = optimiser(name, 0.1, weight_decay=0.5)
    made.build(model.trainable_variables)
    before = ops.convert_to_numpy(dense.kernel)
    made.apply([ops.zeros_like(v) for v in model.trainable_variables], model.trainable_variables)
    assert np.abs(ops.convert_to_numpy(dense.kernel)).sum() < np.abs(before).sum()
    assert np.allclose(ops.convert_to_numpy(dense.bias), 1)
