"""The phases of training, each with its loss, optimiser, schedule and callbacks that follow the validation."""

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from models.parts.compiling import jit_compile
from models.parts.freezing import freeze, rate_shares
from models.parts.losses import loss
from models.parts.optimisers import optimiser, schedule
from pipeline.config.fields import Size
from pipeline.config.schema import Training
from pipeline.training.monitor import Monitor, ends_of_parts


@dataclass(frozen=True)
class Phase:
    """Epochs with one optimiser. Transfer learning has several: first a frozen backbone, then one that trains."""

    start_epoch: int
    stop_epoch: int  # not included
    learning_rate: float
    tuned_layers: int | None  # trained layers of the backbone; None: no backbone, or all its layers are trained


def phases(training: Training, epochs: int) -> list[Phase]:
    """Return the phases of a training with `epochs` epochs in total."""
    if not training.frozen_epochs:
        return [Phase(0, epochs, training.learning_rate, None)]
    frozen_epochs = min(training.frozen_epochs, epochs)
    frozen = Phase(0, frozen_epochs, training.learning_rate, 0)
    counts = training.tuned_layers if isinstance(training.tuned_layers, tuple) else (training.tuned_layers,)
    ends = ends_of_parts(epochs, len(counts), frozen_epochs)
    tuned = [
        Phase(start, stop, training.tuned_learning_rate, count)
        for start, stop, count in zip(ends, ends[1:], counts, strict=False)
    ]
    return [frozen, *(phase for phase in tuned if phase.stop_epoch > phase.start_epoch)]


def stretches(training: Training, phase: Phase, epochs: int) -> list[tuple[Size | None, int]]:
    """Return the parts of a phase with one image size: the size (None: the member's own), and the epoch of the end.

    The sizes of `progressive_pixels` and the member's own have equal parts of all `epochs`.
    """
    sizes = [*training.progressive_pixels, None]
    ends = ends_of_parts(epochs, len(sizes))
    return [
        (size, min(stop, phase.stop_epoch))
        for size, start, stop in zip(sizes, ends, ends[1:], strict=False)
        if max(start, phase.start_epoch) < min(stop, phase.stop_epoch)
    ]


def compile_trainer(
    model: keras.Model,
    training: Training,
    phase: Phase,
    steps: int,
    multi_label: bool,
    prior: np.ndarray | None = None,
) -> keras.Model:
    """Return a compiled model with the layers of `model`. It has the optimiser, so that `model` is saved without one.

    `steps` is the number of batches in an epoch, `prior` what `models.parts.losses.loss` takes.
    """
    if phase.tuned_layers is not None:
        freeze(model, phase.tuned_layers)
    trainer = keras.Model(model.inputs, model.outputs)
    steps *= phase.stop_epoch - phase.start_epoch
    trainer.compile(
        optimizer=optimiser(
            training.optimiser,
            schedule(training.schedule, phase.learning_rate, steps, training.learning_rate_decay),
            momentum=training.momentum,
            weight_decay=training.weight_decay,
            ema_momentum=training.ema_momentum,
            global_clipnorm=training.global_clipnorm,
            gradient_accumulation_steps=training.gradient_accumulation_steps,
            rate_shares=rate_shares(trainer, share) if (share := training.first_layer_rate_share) < 1 else (),
        ),
        loss=loss(
            binary=multi_label or training.loss == "binary_cross_entropy",
            label_smoothing=training.label_smoothing,
            imbalance=training.imbalance,
            prior=prior,
        ),
        metrics=[
            keras.metrics.MeanMetricWrapper(
                _subset_accuracy if multi_label else keras.metrics.categorical_accuracy, name="accuracy"
            )
        ],
        jit_compile=jit_compile(),
    )
    trainer.optimizer.build(trainer.trainable_variables)
    return trainer


def _subset_accuracy(targets: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    predicted = logits > 0
    return ops.cast(ops.any(predicted, axis=-1) & ops.all(~predicted | (targets > 0.5), axis=-1), "float32")


def watchers(training: Training, monitor: Monitor, is_last: bool) -> list[keras.callbacks.Callback]:
    """Return Keras's callbacks that follow the validation: plateau and, in the last phase, early stopping."""
    callbacks = []
    if training.early_stopping_patience_epochs and is_last:
        patience = training.early_stopping_patience_epochs
        callbacks.append(keras.callbacks.EarlyStopping(monitor.column, patience=patience, mode=monitor.mode))
    if training.schedule == "plateau":
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(
                monitor.column,
                factor=training.plateau_factor,
                patience=training.plateau_patience_epochs,
                min_lr=training.minimum_learning_rate,
                mode=monitor.mode,
            )
        )
    return callbacks
