"""A member's network from uint8 pixels to logits, and its predictions."""

from functools import reduce
from pathlib import Path
from typing import Any

import keras
import numpy as np

import models
from features.augmentation.views import views
from features.labels.targets import probabilities
from models.parts import wrap
from models.parts.columns import encoder, with_columns
from models.parts.compiling import jit_compile
from models.parts.cost import flops, layer_rows, weighted_layers, without_weights
from models.parts.grid import apply_to_cells
from models.parts.sums import PriceSums
from pipeline.config.schema import Member, Predict
from pipeline.storage.files import reading
from pipeline.storage.task_data import TaskData
from pipeline.training.batches import PredictionBatches
from pipeline.training.data_parallel import device_count
from pipeline.training.device_memory import with_fitting_batch
from pipeline.training.joined_images import Images

PREDICTION_BATCH = 500  # fills round numbers of rows exactly; a last batch of another size is compiled again


def build_model(member: Member, training_rows: np.ndarray | None = None) -> keras.Model:
    """Return a member's new model, from its task's uint8 pixels to float32 logits (batch, classes).

    If the member joins the columns of a table, these are its second input. They are scaled by the training rows (k,),
    by default all rows.
    """
    data = TaskData(member.task)
    model, columns = _image_model(member, data), table_columns(member, data, "train")
    if columns is None:
        return model
    rows = columns if training_rows is None else columns[training_rows]
    return with_columns(model, encoder(rows, data.is_category), columns.shape[1])


def table_columns(member: Member, data: TaskData, split: str) -> np.ndarray | None:
    """Return the table's columns, float32 (n, columns), that the member joins to the images; None if it joins none."""
    return data.columns(split) if member.columns else None


def _image_model(member: Member, data: TaskData) -> keras.Model:
    statistics, pixel_mean = data.statistics(member.input), data.pixel_mean(member.input)
    scale, offset = wrap.affine(member.normalise, statistics["mean"], statistics["std"], pixel_mean)
    shape, classes, items = pixel_mean.shape, data.classes, data.items
    network_shape = (*(member.resize_pixels or shape[:2]), shape[2])

    def network(outputs: int) -> keras.Model:
        return models.build(member.architecture, network_shape, outputs, member.options)

    if member.head == "whole" and member.input == "images":
        return wrap.on_images(network(len(classes)), shape, scale, offset)
    kinds, sums = len(items["prices"]), PriceSums(items["count"], items["prices"], [int(label) for label in classes])
    if member.input == "items":
        return wrap.on_items(network(kinds), shape, scale, offset, sums)
    return wrap.on_grid(apply_to_cells(network(1 + kinds)), shape, scale, offset, sums)


def with_size(member: Member, size: tuple[int, int]) -> Member:
    """Return the member with a network for images of `size`, (height, width)."""
    return member.model_copy(update={"resize_pixels": size})


def check_sizes(member: Member) -> None:
    """Refuse a `progressive_pixels` for which the member's network has other weights than for its own size.

    Raises:
        ValueError: a size does not fit the network.
    """
    with without_weights():
        shapes = [weight.shape for weight in build_model(member).weights] if member.training.progressive_pixels else []
        for size in member.training.progressive_pixels:
            resized = build_model(with_size(member, size))
            if [weight.shape for weight in resized.weights] != shapes:
                raise ValueError(
                    f"progressive_pixels: {list(size)} gives {member.architecture} other weights than its own size, "
                    "expected a network whose weights do not depend on the size"
                )


def load_model(path: Path) -> keras.Model:
    """Return the model that training saved.

    Raises:
        BadInput: the file is damaged or not a model.
    """
    with reading(path, "a Keras model"):
        return keras.saving.load_model(path)


def size_of(member: Member) -> dict[str, int]:
    """Return the numbers of parameters, of layers with weights, and of FLOPs in the forward pass of one image."""
    passes = TaskData(member.task).items["count"] if member.input == "items" else 1
    with without_weights():
        model = build_model(member)
        return {"parameters": model.count_params(), "layers": weighted_layers(model), "flops": passes * flops(model)}


def layers_of(member: Member) -> list[dict[str, Any]]:
    """Return a row for each layer of the member's network, see `models.parts.cost.layer_rows`."""
    with without_weights():
        return layer_rows(build_model(member))


def predict_logits(
    model: keras.Model,
    images: Images,
    rows: np.ndarray,
    mirrored: bool = False,
    by_pixels: int = 0,
    columns: Images | None = None,
) -> np.ndarray:
    """Return the logits, float32 (len(rows), classes), of one view of the rows.

    `columns` are those of a table, float32 (n, columns), if the model has them. If a batch does not fit into the memory
    of the device, smaller ones are used.
    """
    if not jit_compile():  # a loaded model was never compiled
        model.jit_compile = False

    def predict(size: int) -> np.ndarray:
        batches = PredictionBatches(images, padded, size * devices, mirrored, by_pixels, columns)
        return model.predict(batches, verbose=0)[: len(rows)]

    devices = device_count()
    padded = np.resize(rows, -(-len(rows) // devices) * devices)  # so that the last batch can be split, too
    return with_fitting_batch(-(-PREDICTION_BATCH // devices), predict)[1]


def averaged_probabilities(
    model: keras.Model,
    images: np.ndarray,
    rows: np.ndarray,
    options: Predict,
    multi_label: bool,
    columns: np.ndarray | None = None,
) -> np.ndarray:
    """Return the mean probabilities (len(rows), classes) over the views of test-time augmentation."""
    all_views = views(options.flip, options.shift_pixels)
    logits = (predict_logits(model, images, rows, *view, columns=columns) for view in all_views)
    return reduce(np.add, (probabilities(view_logits, multi_label) for view_logits in logits)) / len(all_views)
