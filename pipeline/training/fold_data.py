"""What a fold trains with: its arrays, a new network and its batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import numpy as np

from features.labels.metrics.metric import Metric
from features.labels.targets import one_hot
from models.parts import wrap
from pipeline.config.schema import Member
from pipeline.storage.task_data import TaskData
from pipeline.storage.task_metric import load_metric
from pipeline.training.batches import TrainingBatches, batch_size_for
from pipeline.training.class_shares import SHIFTED, prior_logits
from pipeline.training.generated_images import load_generated
from pipeline.training.inputs import load_inputs
from pipeline.training.joined_images import Extra, Images, JoinedImages
from pipeline.training.network import build_model, table_columns
from pipeline.training.pseudo_labels import load_pseudo

if TYPE_CHECKING:
    from pipeline.training.fold import FoldJob


@dataclass(frozen=True)
class FoldData:
    """The arrays of a fold. They are mapped only once, because Keras keeps the data of every epoch in memory."""

    images: Images  # uint8 (real + extra, ...)
    labels: np.ndarray  # of the real images: class indices (n,) or label sets (n, labels)
    targets: np.ndarray  # float32 (real + extra, classes)
    extras: list[Extra]
    metric: Metric
    columns: Images | None  # of a table, float32 (real + extra, columns)
    prior: np.ndarray | None  # the training rows' shares of classes as logits, if training works without them


def fold_data(job: FoldJob) -> FoldData:
    """Return the arrays of a fold."""
    member, data = job.member, TaskData(job.member.task)
    images: Images = load_inputs(member, "train")
    labels, extras = data.labels, []
    columns: Images | None = table_columns(member, data, "train")
    targets = one_hot(labels, len(data.classes))
    if member.generated_share:
        extras.append(load_generated(member, job.training_rows))
    if member.pseudo_labels:
        extras.append(load_pseudo(member, member.pseudo_labels, job.training_rows))
    for extra in extras:
        images, targets = JoinedImages(images, extra.images), np.concatenate([targets, extra.targets])
        if columns is not None and extra.columns is not None:
            columns = JoinedImages(columns, extra.columns)
    prior = None
    if member.training.imbalance in SHIFTED:
        prior = prior_logits(targets[job.training_rows], data.has_label_sets)
    return FoldData(images, labels, targets, extras, load_metric(data), columns, prior)


def fold_network(member: Member, job: FoldJob, data: FoldData) -> keras.Model:
    """Return a new network for the fold, of a member that may differ from the job's in its size."""
    model = build_model(member, job.training_rows)
    return model if data.prior is None else wrap.with_prior(model, data.prior)


def fold_batches(job: FoldJob, data: FoldData) -> TrainingBatches:
    """Return the batches of the fold's training rows."""
    training, rows = job.member.training, job.training_rows
    return TrainingBatches(
        data.images,
        data.targets,
        rows,
        batch_size_for(len(rows), training.batch_size),
        job.member.augment,
        (training.seed, job.fold),
        data.extras,
        data.columns,
        balanced=training.imbalance == "balanced_sampling",
    )
