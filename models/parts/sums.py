"""Labels that are sums: the exact distribution of the summed prices of a known number of items.

All of it in log-probabilities: nothing underflows, and what is all but impossible still has a gradient.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

NEVER = -1e30  # log-probability of what cannot be; an infinity would make gradients NaN
Held = list[keras.KerasTensor]  # by number of items n: log-probabilities (batch, places, n * span + 1) of their sum


@keras.saving.register_keras_serializable("podium")
class PriceSums(keras.Layer):
    """Logits of kinds (batch, places, kinds) to log-probabilities of sums (batch, classes), in float32.

    Exactly `count` places hold an item. Where there are more places, the first kind is nothing; the others have a price
    each. What a place holds is independent of the others, so that places are joined by convolution, two by two, with
    one distribution of the sum for each number of items. The last one, cut to the sums that are classes, is that of
    the sum together with the count: a softmax over it conditions on both.
    """

    def __init__(self, count: int, prices: Sequence[int], sums: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.count, self.prices, self.sums = int(count), [int(p) for p in prices], [int(s) for s in sums]

    def build(self, input_shape: tuple) -> None:
        """Lay out the prices in steps from the lowest.

        Raises:
            ValueError: too few places, prices that are not one a kind, or a class that is no sum of them.
        """
        places, kinds = input_shape[1:]
        if places < self.count:
            raise ValueError(f"{places} places cannot hold {self.count} items")
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
        self._wanted = [sum_at[value] for value in self.sums]
        self._step_of = np.where(np.array(steps)[:, None] == np.arange(max(steps) + 1), 0, NEVER).astype("float32")

    def call(self, logits: keras.KerasTensor) -> keras.KerasTensor:
        """Return log-probabilities (batch, classes), finite for any finite logits."""
        kinds = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        first = kinds.shape[-1] - len(self.prices)
        nothing = kinds[..., :1] if first else ops.full_like(kinds[..., :1], NEVER)
        items = ops.logsumexp(ops.add(ops.expand_dims(kinds[..., first:], -1), self._step_of), axis=-2)
        held = [nothing, items]
        while held[0].shape[1] > 1:
            held = _joined(held, self.count)
        return ops.take(held[self.count][:, 0], self._wanted, axis=-1)

    def get_config(self) -> dict:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "count": self.count, "prices": self.prices, "sums": self.sums}


def _joined(held: Held, count: int) -> Held:
    """Return what pairs of places hold together, with at most `count` items."""
    places = held[0].shape[1]
    if places % 2:  # one more place, which certainly holds nothing
        one_more = ((0, 0), (0, 1), (0, 0))
        held = [ops.pad(each, one_more, constant_values=NEVER if n else 0.0) for n, each in enumerate(held)]
    half = (places + 1) // 2
    a, b = [each[:, :half] for each in held], [each[:, half:] for each in held]
    pairs = [[(a[i], b[n - i]) for i in range(len(a)) if n - i in range(len(b))] for n in range(2 * len(a) - 1)]
    return [
        ops.logsumexp(ops.stack([way for pair in each for way in _ways(*pair)]), axis=0) for each in pairs[: count + 1]
    ]


def _ways(a: keras.KerasTensor, b: keras.KerasTensor) -> list[keras.KerasTensor]:
    """Return the ways to each sum, (batch, places, m + n - 1) all, of values (batch, places, m) and (batch, places, n).

    Additions, and no matrix product, which a GPU would round to ten bits.
    """
    short, long = sorted((a, b), key=lambda values: values.shape[-1])
    last = short.shape[-1] - 1
    return [
        short[..., by : by + 1] + ops.pad(long, ((0, 0), (0, 0), (by, last - by)), constant_values=NEVER)
        for by in range(last + 1)
    ]
