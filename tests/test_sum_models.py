"""Networks under a sum: one shared by located items, and one whose cells are items where none are located."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.special import softmax

import models
from models import ARCHITECTURES
from models.parts import wrap
from models.parts.grid import apply_to_cells
from models.parts.optimisers import optimiser
from models.parts.sums import PriceSums
from tests.networks import SMALL, sampled


@pytest.mark.slow
def test_items_share_one_network(tmp_path):
    network = models.build("fast", (28, 28, 1), 5, SMALL["fast"])
    sums = PriceSums(3, [1, 2, 3, 4, 5], range(5, 14))
    model = wrap.on_items(network, (28, 28, 1), np.float64(1 / 255), np.float64(0), sums)
    crops = np.random.default_rng(0).integers(0, 256, (4, 3, 28, 28, 1), dtype=np.uint8)
    logits = model.predict(crops, verbose=0)
    assert logits.shape == (4, 9)
    assert np.allclose(model.predict(crops[:, ::-1], verbose=0), logits, atol=1e-4)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.allclose(again.predict(crops, verbose=0), logits, atol=1e-5)


GRIDS = {"deep_resnet", "fast", "inception", "modified_resnet", "resnet"}


@pytest.mark.parametrize("architecture", sampled(ARCHITECTURES))
def test_families_with_global_pooling_can_end_in_a_grid(architecture):
    keras.utils.set_random_seed(0)
    network = models.build(architecture, (40, 100, 1), 4, SMALL[architecture])
    if architecture not in GRIDS:
        with pytest.raises(ValueError, match=f"{architecture} has no global pooling"):
            apply_to_cells(network)
        return
    grid = apply_to_cells(network)
    assert {id(weights) for weights in grid.weights} == {id(weights) for weights in network.weights}
    images = np.zeros((2, 40, 100, 1), "float32")
    images[:, :, 70:] = np.random.default_rng(0).normal(size=(2, 40, 30, 1))
    logits = ops.convert_to_numpy(grid(images))
    assert logits.dtype == np.float32 and logits.shape[0] == 2 and logits.shape[3] == 4
    assert logits.shape[1] > 1 and logits.shape[2] > logits.shape[1]
    differences, half = np.abs(logits[0] - logits[1]).mean(axis=(0, 2)), logits.shape[2] // 2
    assert differences[-half:].mean() > differences[:half].mean()  # where the images differ


SUMS = [2, 3, 4, 5, 6, 8]  # of two of the prices 1, 2 and 4


def grid_model(count=2, sums=SUMS, image_shape=(24, 36, 1), options=SMALL["resnet"]):
    network = apply_to_cells(models.build("resnet", image_shape, 4, options))
    sums = PriceSums(count, [1, 2, 4], sums)
    return wrap.on_grid(network, image_shape, np.float64(1 / 255), np.float64(0), sums)


def test_a_grid_of_equal_logits_expects_the_known_count_of_items():
    model = grid_model()
    last = model.get_layer("resnet").get_layer("logits")
    last.set_weights([np.zeros(weights.shape) for weights in last.get_weights()])
    cells = keras.Model(model.input, model.layers[-1].input)
    images = np.random.default_rng(0).integers(0, 256, (8, 24, 36, 1), dtype=np.uint8)
    shown = 1 - softmax(cells.predict(images, verbose=0), axis=2)[..., 0]
    assert shown.sum(axis=1) == pytest.approx(2, abs=1e-4)


def test_a_grid_without_room_for_the_items_is_refused():
    with pytest.raises(ValueError, match="resnet ends in 6x9 cells, expected more than 54, the items"):
        grid_model(count=54, sums=[108])


def squares(rng, n):
    """Images of two squares whose brightness is their price, and one-hot sums."""
    images, prices = np.zeros((n, 24, 36, 1), np.uint8), rng.choice([1, 2, 4], (n, 2))
    for image, (left, right) in zip(images, prices, strict=True):
        for price, start in ((left, 0), (right, 20)):
            top, edge = rng.integers(0, 16), start + rng.integers(0, 8)
            image[top : top + 8, edge : edge + 8] = 60 * price
    return images, np.eye(len(SUMS), dtype="float32")[np.searchsorted(SUMS, prices.sum(axis=1))]


@pytest.fixture
def precision(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.slow
@pytest.mark.parametrize(
    "precision", ["float32", pytest.param("mixed_float16", marks=pytest.mark.nightly)], indirect=True
)
def test_a_grid_learns_prices_from_sums_alone(precision, tmp_path):
    keras.utils.set_random_seed(0)
    model = grid_model(options={"stem_filters": 8, "filters": [16, 16, 16]})
    trainer = keras.Model(model.inputs, model.outputs)
    trainer.compile(optimiser("adam", 1e-2), keras.losses.CategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    trainer.fit(*squares(rng, 512), batch_size=32, epochs=8, verbose=0)
    images, targets = squares(rng, 200)
    logits = model.predict(images, verbose=0)
    assert logits.dtype == np.float32 and np.isfinite(logits).all()
    assert (logits.argmax(axis=1) == targets.argmax(axis=1)).mean() > 0.8
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.allclose(again.predict(images, verbose=0), logits, atol=1e-4)


def test_each_cell_has_the_networks_logits_and_a_bias_for_nothing():
    """A network that passes its three channels on as logits: the sums' input is known by hand."""
    images = keras.Input((2, 3, 3))
    network = keras.Model(images, keras.layers.Identity()(images))
    sums = PriceSums(2, [1, 2], [2, 3, 4])
    model = wrap.on_grid(network, (2, 3, 3), np.float64(1 / 255), np.float64(0.5), sums)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 2, 3, 3), dtype=np.uint8)
    logits = (pixels / 255 + 0.5).reshape(5, 6, 3)
    logits[..., 0] += np.log(2 * 4 / 2)  # a fresh network expects two items in six cells, of two kinds each
    expected = ops.convert_to_numpy(sums(logits.astype("float32")))
    assert np.allclose(model.predict(pixels, verbose=0), expected, atol=1e-4)
