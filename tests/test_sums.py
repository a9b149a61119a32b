"""The exact distribution of a sum: against enumeration, on large grids, and its gradients."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from scipy.special import softmax

from models.parts.sums import PriceSums


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
    result = ops.convert_to_numpy(PriceSums(count, prices, list(sums))(logits))
    kind_probabilities = softmax(logits, axis=2)
    expected = np.zeros((4, len(list(sums))))
    for kinds in itertools.product(range(first + len(prices)), repeat=places):
        items = [kind - first for kind in kinds if kind >= first]
        total = sum(prices[item] for item in items)
        if len(items) == count and total in sums:
            expected[:, list(sums).index(total)] += np.prod(
                [kind_probabilities[:, i, kind] for i, kind in enumerate(kinds)], axis=0
            )
    assert np.allclose(result, np.log(expected), atol=1e-4)
    assert np.allclose(softmax(result, axis=1), expected / expected.sum(1, keepdims=True), atol=1e-5)


def counted_sums(logits, prices, count):
    """Return the probabilities of sums (places * dearest + 1,) of exactly `count` items, cell by cell in float64."""
    distribution = np.zeros((count + 1, len(logits) * max(prices) + 1))
    distribution[0, 0] = 1
    for nothing, *chances in softmax(logits.astype("float64"), axis=1):
        after = nothing * distribution
        for price, chance in zip(prices, chances, strict=True):
            after[1:, price:] += chance * distribution[:-1, : distribution.shape[1] - price]
        distribution = after
    return distribution[count]


def test_sums_of_a_large_grid_keep_what_is_all_but_impossible():
    rng, prices = np.random.default_rng(0), [1, 2, 3, 4, 5]
    logits = rng.normal(size=(2, 105, 6)).astype("float32") + np.array([25, 0, 0, 0, 0, 0], "float32")
    result = ops.convert_to_numpy(PriceSums(3, prices, range(5, 14))(logits))
    for cells, logs in zip(logits, result, strict=True):
        expected = counted_sums(cells, prices, 3)[5:14]
        assert np.allclose(logs, np.log(expected), rtol=1e-5)
        assert expected.max() < 1e-20


class Offset(keras.Layer):
    """Adds a weight to each logit, which a step of plain gradient descent then makes the gradient, negated."""

    def build(self, shape):
        self.offset = self.add_weight(shape=shape[1:], initializer="zeros", dtype="float32")

    def call(self, logits):
        return logits + self.offset


def gradient(logits, count, prices, sums, label):
    """Return the gradient of the cross-entropy of one image's sum by its logits (places, kinds)."""
    inputs = keras.Input(logits.shape, dtype="float32")
    offset = Offset(dtype="float32")
    model = keras.Model(inputs, PriceSums(count, prices, sums)(offset(inputs)))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True)
    model.fit(logits[None], np.eye(len(sums), dtype="float32")[[sums.index(label)]], verbose=0)
    return -ops.convert_to_numpy(offset.offset)


def test_the_gradient_of_sums_is_that_of_differences():
    logits = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    count, prices, sums, label = 2, [1, 2, 4], [3, 4, 5, 6], 4

    def cross_entropy(moved):
        chances = counted_sums(moved, prices, count)
        return np.log(chances[sums].sum()) - np.log(chances[label])

    result = gradient(logits, count, prices, sums, label)
    for place in np.ndindex(logits.shape):
        step = np.zeros(logits.shape)
        step[place] = 1e-4
        slope = (cross_entropy(logits + step) - cross_entropy(logits - step)) / 2e-4
        assert result[place] == pytest.approx(slope, abs=1e-4)


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
    result = gradient(logits, 3, prices, sums, 9)
    assert np.isfinite(result).all()
    assert result.any()  # even what is all but impossible can be unlearnt


@pytest.mark.parametrize(
    ("shape", "count", "prices", "sums", "sentence"),
    [
        ((3, 3), 3, [1, 2, 5], [3, 16], "16 is no sum of 3 prices"),
        ((3, 3), 3, [1, 2, 5], [3, 2], "2 is no sum of 3 prices"),
        ((30, 4), 2, [0, 2, 4], [4, 5], "5 is no sum of 2 prices"),
        ((3, 3), 3, [1, 2], [3], r"3 kinds do not fit prices \[1, 2\] of 3 items in 3 places"),
        ((4, 2), 3, [1, 2], [3], r"2 kinds do not fit prices \[1, 2\] of 3 items in 4 places"),
        ((2, 2), 3, [1, 2], [3], "2 places cannot contain 3 items"),
    ],
)
def test_a_sum_that_cannot_be_is_refused(shape, count, prices, sums, sentence):
    with pytest.raises(ValueError, match=sentence):
        PriceSums(count, prices, sums).build((None, *shape))
