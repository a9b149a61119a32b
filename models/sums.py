"""Labels that are sums: the exact distribution of the summed prices of independent items."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("podium")
class PriceSums(keras.Layer):
    """Logits of kinds (batch, count, kinds) to the log-probabilities of sums (batch, classes), in float32.

    Each item's kind is independent of the others', so the distribution of the sum is the convolution of the items'
    price distributions; only the sums that are classes are kept, so a softmax over them conditions on that.
    """

    def __init__(self, prices: Sequence[int], sums: Sequence[int], **kwargs) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.prices, self.sums = [int(p) for p in prices], [int(s) for s in sums]

    def build(self, input_shape: tuple) -> None:
        """Lay out the constant matrices for `count` items."""
        count, kinds = input_shape[1:]
        low, span = min(self.prices), max(self.prices) - min(self.prices) + 1
        reachable = range(count * low, count * max(self.prices) + 1)
        if kinds != len(self.prices):
            raise ValueError(f"{kinds} kinds of items have {len(self.prices)} prices")
        for value in self.sums:
            if value not in reachable:
                raise ValueError(f"{value} is no sum of {count} prices out of {self.prices}")
        # kind -> place of its price on the grid low, low + 1, ...
        self._places = np.eye(span, dtype="float32")[np.array(self.prices) - low]
        self._wanted = [value - count * low for value in self.sums]

    def call(self, logits: keras.KerasTensor) -> keras.KerasTensor:
        """Return log-probabilities (batch, classes), finite for any finite logits."""
        prices = ops.matmul(ops.softmax(ops.cast(logits, "float32"), axis=-1), self._places)
        total = prices[:, 0]
        for item in range(1, prices.shape[1]):
            total = _convolve(total, prices[:, item])
        return ops.log(ops.take(total, self._wanted, axis=-1) + 1e-12)

    def get_config(self) -> dict:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "prices": self.prices, "sums": self.sums}


def _convolve(a: keras.KerasTensor, b: keras.KerasTensor) -> keras.KerasTensor:
    """Return the distribution (batch, m + n - 1) of the sum of two independent draws (batch, m) and (batch, n)."""
    m, n = a.shape[-1], b.shape[-1]
    onto = np.zeros((m, n, m + n - 1), "float32")
    for i in range(m):
        onto[i, np.arange(n), i + np.arange(n)] = 1
    outer = ops.expand_dims(a, 2) * ops.expand_dims(b, 1)  # (batch, m, n)
    return ops.matmul(ops.reshape(outer, (-1, m * n)), onto.reshape(m * n, -1))
