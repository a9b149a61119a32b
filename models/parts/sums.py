"""Labels that are sums: the exact distribution of the total price of a known number of items.

Everything is computed in log-probabilities. So nothing underflows, and very unlikely sums still have a gradient.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

NEVER = -1e30  # log-probability of something impossible; with an infinity, gradients would be NaN
SumsByCount = list[keras.KerasTensor]  # entry n: log-probabilities (batch, places, n * span + 1) of the sum of n items


@keras.saving.register_keras_serializable("podium")
class PriceSums(keras.Layer):
    """From logits of kinds (batch, places, kinds) to log-probabilities of sums (batch, classes), in float32.

    Exactly `count` places contain an item. If there are more places, the first kind means an empty place. Every other
    kind has a price. The places are independent, so pairs of places are combined by convolution, with one distribution
    of the sum for each number of items. The last distribution is that of the sum together with the count. It is cut to
    the sums that are classes, so a softmax over it conditions on both.
    """

    def __init__(self, count: int, prices: Sequence[int], sums: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.count, self.prices, self.sums = int(count), [int(p) for p in prices], [int(s) for s in sums]

    def build(self, input_shape: tuple) -> None:
        """Express the prices in steps above the lowest one.

        Raises:
            ValueError: too few places, not one price for each kind, or a class that is no sum of the prices.
        """
        places, kinds = input_shape[1:]
        if places < self.count:
            raise ValueError(f"{places} places cannot contain {self.count} items")
        if kinds != len(self.prices) + (places > self.count):
            raise ValueError(f"{kinds} kinds do not fit prices {self.prices} of {self.count} items in {places} places")
        low = min(self.prices)
        unit = math.gcd(*(price - low for price in self.prices)) or 1
        steps = [(price - low) // unit for price in self.prices]
        reachable = {0}
        for _ in range(self.count):
            reachable = {total + step for total in reachable for step in steps}
        sum_at = {unit * total + low * self.count: total for total in reachable}
        for value in self.sums:
            if value not in sum_at:
                raise ValueError(f"{value} is no sum of {self.count} prices out of {self.prices}")
        self._sum_indices = [sum_at[value] for value in self.sums]
        self._step_of = np.where(np.array(steps)[:, None] == np.arange(max(steps) + 1), 0, NEVER).astype("float32")

    def call(self, logits: keras.KerasTensor) -> keras.KerasTensor:
        """Return log-probabilities (batch, classes), finite for any finite logits."""
        kinds = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        first = kinds.shape[-1] - len(self.prices)
        nothing = kinds[..., :1] if first else ops.full_like(kinds[..., :1], NEVER)
        items = ops.logsumexp(ops.add(ops.expand_dims(kinds[..., first:], -1), self._step_of), axis=-2)
        sums_by_count = [nothing, items]
        while sums_by_count[0].shape[1] > 1:
            sums_by_count = _join_pairs(sums_by_count, self.count)
        return ops.take(sums_by_count[self.count][:, 0], self._sum_indices, axis=-1)

    def get_config(self) -> dict:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "count": self.count, "prices": self.prices, "sums": self.sums}


def _join_pairs(sums_by_count: SumsByCount, count: int) -> SumsByCount:
    """Return the sums of pairs of places, with at most `count` items in each pair."""
    places = sums_by_count[0].shape[1]
    if places % 2:  # add an empty place
        one_more = ((0, 0), (0, 1), (0, 0))
        sums_by_count = [
            ops.pad(sums, one_more, constant_values=NEVER if n else 0.0) for n, sums in enumerate(sums_by_count)
        ]
    half = (places + 1) // 2
    a, b = [sums[:, :half] for sums in sums_by_count], [sums[:, half:] for sums in sums_by_count]
    pairs = [[(a[i], b[n - i]) for i in range(len(a)) if n - i in range(len(b))] for n in range(2 * len(a) - 1)]
    return [
        ops.logsumexp(ops.stack([way for pair in row for way in _ways(*pair)]), axis=0) for row in pairs[: count + 1]
    ]


def _ways(a: keras.KerasTensor, b: keras.KerasTensor) -> list[keras.KerasTensor]:
    """Return the ways to each sum, each (batch, places, m + n - 1), of a (batch, places, m) and b (batch, places, n).

    This uses additions and no matrix product, because a GPU may round a product's factors to ten bits.
    """
    short, long = sorted((a, b), key=lambda values: values.shape[-1])
    last = short.shape[-1] - 1
    return [
        short[..., by : by + 1] + ops.pad(long, ((0, 0), (0, 0), (by, last - by)), constant_values=NEVER)
        for by in range(last + 1)
    ]
