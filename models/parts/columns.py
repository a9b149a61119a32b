"""Join columns of a table, such as age and sex, to a network of images.

The columns get a hidden layer, whose outputs are added to the logits by a matrix. This equals a concatenation with the
features before the network's last dense layer, and needs to know nothing of the network.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

UNITS = 128
MOST_DEVIATIONS = 5.0  # a value further from the mean is moved there


@keras.saving.register_keras_serializable("podium")
class EncodedColumns(layers.Layer):
    """Columns (batch, columns) with NaN as features (batch, units): scaled numbers, missing ones, and categories.

    All of it comes from training rows: means, deviations, whether a column can miss values, and the categories. A
    missing number is the mean, with an indicator. A missing or unknown category has no indicator.
    """

    def __init__(
        self,
        means: Sequence[float],
        deviations: Sequence[float],
        numbers: Sequence[int],
        gaps: Sequence[int],
        categories: Sequence[tuple[int, int]],
        **options: object,
    ) -> None:
        """Store what the training rows say.

        Args:
            means, deviations: of the columns `numbers`.
            numbers: the columns with numbers.
            gaps: the columns with numbers of which some are missing.
            categories: (column, number of a category) for each indicator.
            options: of any Keras layer.
        """
        super().__init__(dtype="float32", **{name: value for name, value in options.items() if name != "dtype"})
        self.means, self.deviations = list(means), list(deviations)
        self.numbers, self.gaps, self.categories = list(numbers), list(gaps), [list(pair) for pair in categories]

    def call(self, columns: keras.KerasTensor) -> keras.KerasTensor:
        """Return the features."""
        parts = []
        if self.numbers:
            means, deviations = (np.array(values, np.float32) for values in (self.means, self.deviations))
            scaled = (ops.take(columns, self.numbers, axis=1) - means) / deviations
            scaled = ops.where(ops.isnan(scaled), 0.0, scaled)
            parts.append(ops.clip(scaled, -MOST_DEVIATIONS, MOST_DEVIATIONS))
        if self.gaps:
            parts.append(ops.cast(ops.isnan(ops.take(columns, self.gaps, axis=1)), "float32"))
        if self.categories:
            places, codes = np.array(self.categories).T
            parts.append(ops.cast(ops.equal(ops.take(columns, places, axis=1), codes.astype(np.float32)), "float32"))
        return ops.concatenate(parts, axis=1) if parts else columns[:, :0]

    def get_config(self) -> dict:
        """Return the arguments of the constructor."""
        names = ("means", "deviations", "numbers", "gaps", "categories")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def encoder(rows: np.ndarray, is_category: Sequence[bool]) -> EncodedColumns:
    """Return the layer for training rows, float32 (n, columns). It does not depend on other rows."""
    numbers = [
        place for place, category in enumerate(is_category) if not category and not np.isnan(rows[:, place]).all()
    ]
    values = rows[:, numbers].astype(np.float64)
    deviations = np.nanstd(values, axis=0)
    categories = [
        (place, int(code))
        for place, category in enumerate(is_category)
        if category
        for code in np.unique(rows[:, place])
        if not np.isnan(code)
    ]
    return EncodedColumns(
        means=np.nanmean(values, axis=0).tolist(),
        deviations=np.where(deviations > 0, deviations, 1).tolist(),
        numbers=numbers,
        gaps=[place for place in numbers if np.isnan(rows[:, place]).any()],
        categories=categories,
        name="encoded_columns",
    )


def with_columns(model: keras.Model, encoded: EncodedColumns, count: int) -> keras.Model:
    """Return a model of [images, columns (batch, count)], whose fresh columns do not change the logits of `model`."""
    columns = keras.Input((count,), dtype="float32", name="columns")
    hidden = layers.Dense(UNITS, activation="relu", name="columns_hidden")(encoded(columns))
    joined = layers.Dense(
        model.output_shape[-1], use_bias=False, kernel_initializer="zeros", dtype="float32", name="columns_logits"
    )(hidden)
    logits = layers.Add(dtype="float32", name="logits_with_columns")([model(model.input), joined])
    return keras.Model([model.input, columns], logits, name="with_columns")
