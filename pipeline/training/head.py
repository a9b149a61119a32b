"""The last layer of a member with architecture `features`, fitted to the feature vectors of a fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import layers

from features.labels.metrics.losses import log_loss
from features.labels.metrics.shares import accuracy
from features.labels.targets import probabilities
from models.parts.columns import EncodedColumns, encoder
from models.parts.layers import logits
from pipeline.storage.task_data import TaskData
from pipeline.training.joined_images import Extra
from pipeline.training.logistic_regression import Rows, fit

if TYPE_CHECKING:
    from pipeline.training.fold import FoldJob
    from pipeline.training.fold_data import FoldData

INNER_FOLDS = 5  # for the choice of c where the training rows belong to no fold


def fit_head(job: FoldJob, data: FoldData) -> tuple[keras.Model, dict[str, float]]:
    """Return a model from vectors, and the table's columns if there are any, to logits, and figures of the fit.

    The figures are `loss` and `accuracy` on the training rows, and `c`.
    """
    multi_label, count = data.labels.ndim == 2, len(job.training_rows)
    encode = _encoder(job, data)
    rows = _rows(job.training_rows, data, encode)
    regression = fit(rows, _parts(job, len(rows.vectors)), job.member.options.get("c"), multi_label)
    model = _model(data, encode, rows.targets.shape[1])
    model.get_layer("logits").set_weights([regression.kernel, regression.bias])
    labels = data.labels[job.training_rows]
    predictions = probabilities(rows.vectors[:count] @ regression.kernel + regression.bias, multi_label)
    return model, {
        "loss": log_loss(predictions, labels),
        "accuracy": accuracy(predictions, labels),
        "c": regression.c,
    }


def _encoder(job: FoldJob, data: FoldData) -> EncodedColumns | None:
    if data.columns is None:
        return None
    return encoder(data.columns[job.training_rows], TaskData(job.member.task).is_category)


def _model(data: FoldData, encode: EncodedColumns | None, outputs: int) -> keras.Model:
    first = np.array([0])
    vectors = keras.Input(data.images[first].shape[1:])
    if encode is None:
        return keras.Model(vectors, logits(vectors, outputs), name="features")
    assert data.columns is not None
    columns = keras.Input(data.columns[first].shape[1:], name="columns")
    both = layers.Concatenate()([vectors, encode(columns)])
    return keras.Model([vectors, columns], logits(both, outputs), name="features")


def _rows(training_rows: np.ndarray, data: FoldData, encode: EncodedColumns | None) -> Rows:
    """Return the training rows, then the usable rows of extras, which weigh as much as their share of an epoch says."""
    rows, weights, start = [training_rows], [np.ones(len(training_rows))], len(data.labels)
    for extra in data.extras:
        rows.append(start + extra.usable)
        weights.append(np.full(len(extra.usable), _weight(extra, data.extras, len(training_rows))))
        start += len(extra.images)
    all_rows = np.concatenate(rows)
    vectors = np.asarray(data.images[all_rows])
    if encode is not None and data.columns is not None:
        vectors = np.concatenate([vectors, keras.ops.convert_to_numpy(encode(data.columns[all_rows]))], axis=1)
    return Rows(vectors, data.targets[all_rows], np.concatenate(weights).astype(np.float32))


def _weight(extra: Extra, extras: list[Extra], count: int) -> float:
    real_share = 1 - sum(other.share for other in extras)
    return extra.share / real_share * count / len(extra.usable)


def _parts(job: FoldJob, count: int) -> np.ndarray:
    """Return the fold of each training row, for the choice of c; -1 for extras, which only train.

    If all rows belong to one fold, as after a split into training and validation, they get random parts.
    """
    parts = np.full(count, -1)
    folds = TaskData(job.member.task).folds[job.training_rows]
    if len(np.unique(folds)) < 2:
        rng = np.random.default_rng(job.member.training.seed)
        folds = rng.permutation(np.arange(len(folds)) % INNER_FOLDS)
    parts[: len(folds)] = folds
    return parts
