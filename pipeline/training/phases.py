"""What trains a model: loss, optimiser, schedule and what follows the validation, for each phase of the training."""

from dataclasses import dataclass

import keras
from keras import ops

from models.parts.compiling import jit_compile
from models.parts.freezing import freeze
from models.parts.optimisers import optimiser, schedule
from pipeline.config.schema import Training


@dataclass(frozen=True)
class Phase:
    """Epochs with one optimiser. Transfer learning has two: first the backbone is frozen, then its top learns too."""

    start_epoch: int
    stop_epoch: int  # not included
    learning_rate: float
    tuned_layers: int | None  # of the backbone; None: there is none, or it learns as a whole


def phases(training: Training, epochs: int) -> list[Phase]:
    """Return the phases of `epochs` epochs in all."""
    if not training.frozen_epochs:
        return [Phase(0, epochs, training.learning_rate, None)]
    frozen_epochs = min(training.frozen_epochs, epochs)
    frozen = Phase(0, frozen_epochs, training.learning_rate, 0)
    tuned = Phase(frozen_epochs, epochs, training.tuned_learning_rate, training.tuned_layers)
    return [frozen, tuned] if epochs > frozen_epochs else [frozen]


def compiled(model: keras.Model, training: Training, phase: Phase, steps: int, multi_label: bool) -> keras.Model:
    """Return a model that shares `model`'s layers and carries the optimiser, so that `model` is saved without it.

    `steps` are those of an epoch.
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
    """Return the loss; of logits, cross-entropy and negative log-likelihood are one."""
    if multi_label or training.loss == "binary_cross_entropy":
        return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=training.label_smoothing)
    return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=training.label_smoothing)


def _subset_accuracy(targets: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    chosen = logits > 0
    return ops.cast(ops.any(chosen, axis=-1) & ops.all(~chosen | (targets > 0.5), axis=-1), "float32")


def watchers(training: Training, is_last: bool) -> list[keras.callbacks.Callback]:
    """Return Keras's callbacks for a phase that follow the validation: plateau and, in the last one, early stopping."""
    mode = "max" if training.monitor.endswith("accuracy") else "min"
    found = []
    if training.early_stopping_patience_epochs and is_last:
        patience = training.early_stopping_patience_epochs
        found.append(keras.callbacks.EarlyStopping(training.monitor, patience=patience, mode=mode))
    if training.schedule == "plateau":
        found.append(
            keras.callbacks.ReduceLROnPlateau(
                training.monitor,
                factor=training.plateau_factor,
                patience=training.plateau_patience_epochs,
                min_lr=training.minimum_learning_rate,
                mode=mode,
            )
        )
    return found
