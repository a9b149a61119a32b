"""One contract over the whole registry, on an odd class count and odd image sizes."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from scipy.special import softmax

import models
from models import ARCHITECTURES, wrap
from models.cost import flops, weighted_layers, without_weights
from models.grid import each_cell
from models.optimisers import optimiser, schedule
from models.sums import PriceSums

SMALL = {  # so small that a test trains them; everything else as by default
    "alexnet": {"filters": [8, 16, 16, 16, 16], "units": [32, 32], "dropout": 0.0},
    "convnet": {"filters": [4, 8], "units": 16},
    "deep_resnet": {"filters": [4, 4, 8, 8]},
    "fast": {"width": 0.125, "dropout": 0.1},
    "feedforward": {"units": [64, 64], "activation": "gelu"},
    "inception": {"stem_filters": [8, 8], "filters": [8, 8, 8, 8], "reduced_filters": [8, 8], "dropout": 0.0},
    "lenet": {"filters": [4, 8], "units": 16},
    "modified_resnet": {"filters": 8, "blocks": 2, "units": 16, "dropout": 0.1},
    "overlap_cnn": {"filters": [8, 8], "units": 32, "dropout": 0.1},
    "pretrained": {"weights": None, "width": 0.25},
    "resnet": {"stem_filters": 4, "filters": [4, 8], "blocks": 2, "dropout": 0.1},
    "skip_cnn": {"filters": [8, 8, 8], "units": [32, 32], "dropout": 0.1},
    "traditional_cnn": {"filters": [8, 8, 8], "units": [32, 32], "dropouts": [0.1, 0.1]},
    "vgg": {"depth": 11, "filters": [4, 8, 8, 8, 8], "units": [16, 16], "dropout": 0.1},
}
VARIANTS = [
    ("deep_resnet", {"filters": [4, 4, 8, 8], "small_images": True, "activation": "leaky_relu"}),
    ("deep_resnet", {"filters": [4, 4, 4, 4], "depth": 50}),
    ("alexnet", {**SMALL["alexnet"], "pool_stride_pixels": 2}),
    ("vgg", {**SMALL["vgg"], "batch_norm": True}),
]
GREY = (28, 28, 1)
PUBLISHED = [  # report, architecture, image shape, outputs, options, parameters, tolerance
    ("A", "feedforward", GREY, 10, {}, 111_146, 0),
    ("A", "overlap_cnn", GREY, 10, {}, 6_433_898, 0),
    ("A", "alexnet", GREY, 10, {}, 117_290_698, 0),
    ("A", "alexnet", GREY, 10, {"filters": [96, 256, 384, 384, 256, 256, 256, 256]}, 119_060_938, 0),
    ("A", "deep_resnet", GREY, 10, {"small_images": True}, 11_186_186, 0),
    ("C", "modified_resnet", (64, 128, 1), 9, {}, 370_121, 0),
    ("C", "lenet", (64, 128, 1), 9, {}, 440_000, 0.05),
    ("C", "vgg", (224, 224, 1), 9, {}, 137_000_000, 0.05),
    ("C", "deep_resnet", (64, 128, 1), 9, {"depth": 34}, 21_000_000, 0.05),
    ("C", "deep_resnet", (64, 128, 1), 9, {"depth": 50}, 23_000_000, 0.05),
    ("C", "deep_resnet", (64, 128, 1), 9, {"depth": 152}, 58_000_000, 0.05),
    ("D", "feedforward", GREY, 5, {"units": [1024, 512, 128, 32]}, 1_398_597, 0),
    ("D", "traditional_cnn", GREY, 10, {}, 6_484_330, 0),
    ("D", "skip_cnn", GREY, 10, {}, 6_753_669, 0.05),
    ("D", "inception", GREY, 10, {}, 325_426, 0.05),
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_grey_and_colour(architecture, channels):
    network = models.build(architecture, (28, 30, channels), 5, SMALL[architecture])
    images = np.random.default_rng(0).random((2, 28, 30, channels), dtype=np.float32)
    probabilities = softmax(ops.convert_to_numpy(network(images)), axis=1)
    assert np.allclose(probabilities.sum(axis=1), 1)


@pytest.mark.parametrize(("architecture", "options"), [*SMALL.items(), *VARIANTS])
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
    trainer.compile(optimizer=optimiser("adam", 4e-3), loss=keras.losses.CategoricalCrossentropy(from_logits=True))
    losses = trainer.fit(images, targets, batch_size=14, epochs=40, verbose=0).history["loss"]
    assert min(losses[-3:]) < 0.9 * losses[0]
    logits = model.predict(images, verbose=0)
    assert (logits.shape, logits.dtype) == ((14, 7), np.float32)
    assert np.allclose(softmax(logits, axis=1).sum(1), 1)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.allclose(again.predict(images, verbose=0), logits, atol=1e-5)


def test_every_architecture_keeps_the_contract():
    assert set(SMALL) == set(ARCHITECTURES)


@pytest.mark.parametrize(("report", "architecture", "image_shape", "outputs", "options", "count", "within"), PUBLISHED)
def test_parameter_counts_are_the_published_ones(report, architecture, image_shape, outputs, options, count, within):
    with without_weights():  # which would take half a gigabyte
        found = models.build(architecture, image_shape, outputs, options).count_params()
    assert abs(found - count) <= within * count, report


@pytest.mark.parametrize("image_shape", [(28, 28, 1), (32, 32, 3), (64, 64, 1), (64, 128, 1)])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_usual_image_sizes(architecture, image_shape):
    with without_weights():
        options = {"weights": None} if architecture == "pretrained" else {}
        assert models.build(architecture, image_shape, 7, options).output_shape == (None, 7)


ANY_SIZE = {"feedforward", "lenet", "overlap_cnn", "pretrained", "vgg"}


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


@pytest.mark.parametrize(
    ("places", "count", "prices", "sums"),
    [
        (3, 3, [1, 2, 3, 4, 5], range(5, 14)),
        (2, 2, [4, 2, 7], [4, 9, 14]),
        (1, 1, [4], [4]),
        (7, 3, [1, 2, 5], [11, 3, 6, 9, 15]),  # some places hold nothing
        (5, 2, [10, 20, 20, 0], [0, 20, 30, 40]),
        (6, 1, [2, 3], [2, 3]),
    ],
)
def test_sums_equal_enumeration(places, count, prices, sums):
    first = int(places > count)  # kinds before the first item's
    logits = np.random.default_rng(0).normal(size=(4, places, first + len(prices))).astype("float32")
    found = ops.convert_to_numpy(PriceSums(count, prices, list(sums))(logits))
    each = softmax(logits, axis=2)
    expected = np.zeros((4, len(list(sums))))
    for kinds in itertools.product(range(first + len(prices)), repeat=places):
        items = [kind - first for kind in kinds if kind >= first]
        total = sum(prices[item] for item in items)
        if len(items) == count and total in sums:
            expected[:, list(sums).index(total)] += np.prod([each[:, i, kind] for i, kind in enumerate(kinds)], axis=0)
    assert np.allclose(found, np.log(expected), atol=1e-4)
    assert np.allclose(softmax(found, axis=1), expected / expected.sum(1, keepdims=True), atol=1e-5)


def counted_sums(logits, prices, count):
    """Return the probabilities of sums (places * dearest + 1,) of exactly `count` items, cell by cell in float64."""
    held = np.zeros((count + 1, len(logits) * max(prices) + 1))
    held[0, 0] = 1
    for nothing, *chances in softmax(logits.astype("float64"), axis=1):
        after = nothing * held
        for price, chance in zip(prices, chances, strict=True):
            after[1:, price:] += chance * held[:-1, : held.shape[1] - price]
        held = after
    return held[count]


def test_sums_of_a_large_grid_keep_what_is_all_but_impossible():
    rng, prices = np.random.default_rng(0), [1, 2, 3, 4, 5]
    logits = rng.normal(size=(2, 105, 6)).astype("float32") + np.array([25, 0, 0, 0, 0, 0], "float32")
    found = ops.convert_to_numpy(PriceSums(3, prices, range(5, 14))(logits))
    for cells, logs in zip(logits, found, strict=True):
        expected = counted_sums(cells, prices, 3)[5:14]
        assert np.allclose(logs, np.log(expected), rtol=1e-5)
        assert expected.max() < 1e-20


class Offset(keras.Layer):
    """Adds a weight to each logit, which a step of plain gradient descent then makes the gradient, negated."""

    def build(self, shape):
        self.offset = self.add_weight(shape=shape[1:], initializer="zeros", dtype="float32")

    def call(self, logits):
        return logits + self.offset


def gradient(logits, count, prices, sums, wanted):
    """Return the gradient of the cross-entropy of one image's sum by its logits (places, kinds)."""
    inputs = keras.Input(logits.shape, dtype="float32")
    offset = Offset(dtype="float32")
    model = keras.Model(inputs, PriceSums(count, prices, sums)(offset(inputs)))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True)
    model.fit(logits[None], np.eye(len(sums), dtype="float32")[[sums.index(wanted)]], verbose=0)
    return -ops.convert_to_numpy(offset.offset)


def test_the_gradient_of_sums_is_that_of_differences():
    logits = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    count, prices, sums, wanted = 2, [1, 2, 4], [3, 4, 5, 6], 4

    def cross_entropy(moved):
        chances = counted_sums(moved, prices, count)
        return np.log(chances[sums].sum()) - np.log(chances[wanted])

    found = gradient(logits, count, prices, sums, wanted)
    for place in np.ndindex(logits.shape):
        step = np.zeros(logits.shape)
        step[place] = 1e-4
        slope = (cross_entropy(logits + step) - cross_entropy(logits - step)) / 2e-4
        assert found[place] == pytest.approx(slope, abs=1e-4)


EXTREMES = {
    "the first kind everywhere": lambda shape: 1e4 * np.eye(shape[1])[np.zeros(shape[0], int)],
    "the last kind everywhere": lambda shape: 1e4 * np.eye(shape[1])[np.full(shape[0], shape[1] - 1)],
    "all alike": lambda shape: np.full(shape, -1e4),
    "wild": lambda shape: np.random.default_rng(0).choice([-1e4, 1e4], shape),
}


@pytest.mark.parametrize("extreme", EXTREMES)
@pytest.mark.parametrize("shape", [(3, 5), (21, 6)])
def test_extreme_logits_leave_sums_and_gradients_finite(shape, extreme):
    prices, sums = [1, 2, 3, 4, 5], [5, 6, 9, 13]
    logits = EXTREMES[extreme](shape).astype("float32")
    assert np.isfinite(ops.convert_to_numpy(PriceSums(3, prices, sums)(logits[None]))).all()
    found = gradient(logits, 3, prices, sums, 9)
    assert np.isfinite(found).all()
    assert found.any()  # even what is all but impossible can be unlearnt


@pytest.mark.parametrize(
    ("shape", "count", "prices", "sums", "sentence"),
    [
        ((3, 3), 3, [1, 2, 5], [3, 16], "16 is no sum of 3 prices"),
        ((3, 3), 3, [1, 2, 5], [3, 2], "2 is no sum of 3 prices"),
        ((30, 4), 2, [0, 2, 4], [4, 5], "5 is no sum of 2 prices"),
        ((3, 3), 3, [1, 2], [3], r"3 kinds do not fit prices \[1, 2\] of 3 items in 3 places"),
        ((4, 2), 3, [1, 2], [3], r"2 kinds do not fit prices \[1, 2\] of 3 items in 4 places"),
        ((2, 2), 3, [1, 2], [3], "2 places cannot hold 3 items"),
    ],
)
def test_a_sum_that_cannot_be_is_refused(shape, count, prices, sums, sentence):
    with pytest.raises(ValueError, match=sentence):
        PriceSums(count, prices, sums).build((None, *shape))


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


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_families_with_global_pooling_can_end_in_a_grid(architecture):
    network = models.build(architecture, (40, 100, 1), 4, SMALL[architecture])
    if architecture not in GRIDS:
        with pytest.raises(ValueError, match=f"{architecture} has no global pooling"):
            each_cell(network)
        return
    grid = each_cell(network)
    assert grid.count_params() == network.count_params()
    images = np.zeros((2, 40, 100, 1), "float32")
    images[:, :, 70:] = np.random.default_rng(0).normal(size=(2, 40, 30, 1))
    logits = ops.convert_to_numpy(grid(images))
    assert logits.dtype == np.float32 and logits.shape[0] == 2 and logits.shape[3] == 4
    assert logits.shape[1] > 1 and logits.shape[2] > logits.shape[1]
    assert np.abs(logits[0] - logits[1]).max(axis=(0, 2)).argmax() >= logits.shape[2] / 2  # where the images differ


SUMS = [2, 3, 4, 5, 6, 8]  # of two of the prices 1, 2 and 4


def grid_model(count=2, sums=SUMS, image_shape=(24, 36, 1), options=SMALL["resnet"]):
    network = each_cell(models.build("resnet", image_shape, 4, options))
    sums = PriceSums(count, [1, 2, 4], sums)
    return wrap.on_grid(network, image_shape, np.float64(1 / 255), np.float64(0), sums)


def test_a_fresh_grid_expects_the_known_count_of_items():
    keras.utils.set_random_seed(0)
    model = grid_model()
    cells = keras.Model(model.input, model.layers[-1].input)
    images = np.random.default_rng(0).integers(0, 256, (8, 24, 36, 1), dtype=np.uint8)
    shown = 1 - softmax(cells.predict(images, verbose=0), axis=2)[..., 0]
    assert shown.sum(axis=1) == pytest.approx(2, abs=2)  # not 40


def test_a_grid_without_room_for_the_items_is_refused():
    with pytest.raises(ValueError, match="resnet ends in 6x9 cells, expected more than 54, one an item"):
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


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"], indirect=True)
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


def test_schedules_start_peak_and_end_where_they_say():
    one_cycle = schedule("one_cycle", 1.0, 100)
    rates = [float(one_cycle(step)) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == pytest.approx(1.0, abs=0.05)
    assert rates[100] == pytest.approx(0, abs=1e-6)
    assert float(schedule("cosine", 1.0, 100)(50)) == pytest.approx(0.5, abs=1e-6)
    assert float(schedule("inverse_time", 1.0, 100, decay=0.1)(10)) == pytest.approx(0.5)
    assert schedule("plateau", 0.1, 100) == 0.1


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop", "muon"])
def test_weight_decay_spares_biases(name):
    dense = keras.layers.Dense(2, bias_initializer="ones")
    model = keras.Sequential([keras.Input((3,)), dense])
    made = optimiser(name, 0.1, weight_decay=0.5)
    made.build(model.trainable_variables)
    before = ops.convert_to_numpy(dense.kernel)
    made.apply([ops.zeros_like(v) for v in model.trainable_variables], model.trainable_variables)
    assert np.abs(ops.convert_to_numpy(dense.kernel)).sum() < np.abs(before).sum()
    assert np.allclose(ops.convert_to_numpy(dense.bias), 1)


def test_muon_moves_a_convolution_as_far_in_every_direction():
    convolution = keras.layers.Conv2D(24, 3)
    convolution.build((None, 9, 9, 16))
    made = optimiser("muon", 0.1)
    made.build(convolution.trainable_variables)
    before = ops.convert_to_numpy(convolution.kernel)
    gradients = [
        np.random.default_rng(0).normal(size=v.shape).astype("float32") for v in convolution.trainable_variables
    ]
    gradients[0][..., 0] *= 1000  # plain gradients would move little but this filter
    made.apply(gradients, convolution.trainable_variables)
    moved = (ops.convert_to_numpy(convolution.kernel) - before).reshape(-1, 24)
    lengths = np.linalg.svd(moved, compute_uv=False) / (0.1 * 0.2 * np.sqrt(len(moved)))
    assert lengths.max() < 1.3
    assert lengths.min() > 0.3
    assert np.allclose(np.abs(ops.convert_to_numpy(convolution.bias)), 0.1, atol=1e-3)  # Adam's first step


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
