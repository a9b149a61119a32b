"""The phases of training, each with its loss, optimiser, schedule and callbacks that follow the validation."""

from dataclasses import dataclass

import keras
from keras import ops

from models.parts.compiling import jit_compile
from models.parts.freezing import freeze
from models.parts.optimisers import optimiser, schedule
from pipeline.config.schema import Training
from pipeline.training.monitor import Monitor


@dataclass(frozen=True)
class Phase:
    """Epochs with one optimiser. Transfer learning has two phases: with a frozen backbone, then with a trained top."""

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
    tuned = Phase(frozen_epochs, epochs, training.tuned_learning_rate, training.tuned_layers)
    return [frozen, tuned] if epochs > frozen_epochs else [frozen]


def compile_trainer(model: keras.Model, training: Training, phase: Phase, steps: int, multi_label: bool) -> keras.Model:
    """Return a compiled model with the layers of `model`. It has the optimiser, so that `model` is saved without one.

    `steps` is the number of steps in an epoch.
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
        ),
        loss=_loss(training, multi_label),
        metrics=[
            keras.metrics.MeanMetricWrapper(
                _subset_accuracy if multi_label else keras.metrics.categorical_accuracy, name="accuracy"
            )
        ],
        jit_compile=jit_compile(),
    )
    trainer.optimizer.build(trainer.trainable_variables)
    return trainer


def _loss(training: Training, multi_label: bool) -> keras.losses.Loss:
    """Return the loss. For logits, cross-entropy and negative log-likelihood are the same."""
    if multi_label or training.loss == "binary_cross_entropy":
        return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=training.label_smoothing)
    return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=training.label_smoothing)


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
