"""One fold: a fresh model, trained epoch by epoch, its state saved after each."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from scipy.special import softmax

from features.metrics import accuracy, log_loss
from models.optimisers import optimiser, schedule
from pipeline.batches import TrainingBatches, steps_per_epoch
from pipeline.config import Member
from pipeline.contracts import BadInput, load_array, load_json, writing
from pipeline.network import build_model, predict_logits
from pipeline.progress import Progress
from pipeline.resume import load_state, save_state


@dataclass(frozen=True)
class FoldJob:
    """All that training one fold needs, picklable."""

    member: Member
    images: Path  # the folder that `prepare` made
    training_rows: np.ndarray
    validation_rows: np.ndarray  # may be empty
    fold: int
    epochs: int
    title: str  # of the progress display
    folder: Path  # gets state.npz while training, history.csv and model.keras when done


def train_fold(job: FoldJob) -> None:
    """Train the job's model, unless that is done, from its last whole epoch on."""
    if (job.folder / "model.keras").exists():
        print(f"{job.title}  finished before, kept", flush=True)
        return
    training = job.member.training
    keras.config.set_dtype_policy(training.precision)
    keras.utils.set_random_seed(_seed(training.seed, job.fold))
    model = build_model(job.member, job.images)
    steps = steps_per_epoch(len(job.training_rows), training.batch_size)
    trainer = _compiled(model, job.member, steps * job.epochs)
    history, best_weights = _restore(job.folder / "state.npz", trainer)
    watchers = _watchers(job.member, trainer, history)
    with Progress(job.title, job.epochs, steps) as progress:
        for epoch in range(len(history), job.epochs):
            if trainer.stop_training:
                break
            row = _epoch(job, trainer, epoch, progress)
            history.append(row)
            with _averaged(trainer, bool(training.ema_momentum)):
                row |= _validate(job, trainer)
                if best_epoch(history, training.monitor) == epoch:
                    best_weights = _copies(trainer.weights)
            for watcher in watchers:
                watcher.on_epoch_end(epoch, row)
            groups = {"weights": _copies(trainer.weights), "optimiser": _copies(trainer.optimizer.variables)}
            save_state(job.folder / "state.npz", history, {**groups, "best": best_weights})
            progress.epoch_done(row, best_epoch(history, training.monitor) == epoch)
    trainer.set_weights(best_weights)
    _finish(job, model, history)


def best_epoch(history: list[dict], monitor: str) -> int:
    """Return the epoch with the best validation figure, the first of equals; the last epoch where there is none."""
    if monitor not in history[-1]:
        return len(history) - 1
    values = np.array([row[monitor] for row in history])
    return int(values.argmax() if monitor.endswith("accuracy") else np.nan_to_num(values, nan=np.inf).argmin())


def _compiled(model: keras.Model, member: Member, steps: int) -> keras.Model:
    """Return a model that shares `model`'s layers and carries the optimiser, so that `model` is saved without it."""
    training = member.training
    trainer = keras.Model(model.inputs, model.outputs)
    trainer.compile(
        optimizer=optimiser(
            training.optimiser,
            schedule(training.schedule, training.learning_rate, steps, training.learning_rate_decay),
            momentum=training.momentum,
            weight_decay=training.weight_decay,
            ema_momentum=training.ema_momentum,
        ),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=training.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    trainer.optimizer.build(trainer.trainable_variables)
    trainer.stop_training = False
    return trainer


def _watchers(member: Member, trainer: keras.Model, history: list[dict]) -> list[keras.callbacks.Callback]:
    """Return Keras's own early stopping and plateau callbacks; told the epochs so far, they are where they were."""
    training, made = member.training, []
    mode = "max" if training.monitor.endswith("accuracy") else "min"
    if training.early_stopping_patience_epochs:
        patience = training.early_stopping_patience_epochs
        made.append(keras.callbacks.EarlyStopping(training.monitor, patience=patience, mode=mode))
    if training.schedule == "plateau":
        made.append(
            keras.callbacks.ReduceLROnPlateau(
                training.monitor,
                factor=training.plateau_factor,
                patience=training.plateau_patience_epochs,
                min_lr=training.minimum_learning_rate,
                mode=mode,
            )
        )
    for watcher in made:
        watcher.set_model(trainer)
        watcher.on_train_begin()
        for epoch, row in enumerate(history):
            watcher.on_epoch_end(epoch, dict(row))
    return made


def _epoch(job: FoldJob, trainer: keras.Model, epoch: int, progress: Progress) -> dict:
    training, images = job.member.training, load_array(job.images / f"train_{job.member.input}.npy")
    seeds = (training.seed, job.fold, epoch)
    started = time.monotonic()
    targets = one_hot(job.images)
    batches = TrainingBatches(images, targets, job.training_rows, training.batch_size, job.member.augment, seeds)
    # Inside `fit`, because the first one of a process may draw random numbers before it begins.
    reseed = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: _reseed(trainer, seeds))
    logs = trainer.fit(batches, shuffle=False, verbose=0, callbacks=[reseed, progress.batches()]).history
    if not np.isfinite(logs["loss"][0]):
        raise BadInput(
            f"{job.title}: the loss is {logs['loss'][0]} in epoch {epoch + 1}, expected a finite number; "
            f"lower learning_rate, now {training.learning_rate:g}"
        )
    return {
        "epoch": epoch + 1,
        "learning_rate": float(np.asarray(trainer.optimizer.learning_rate)),
        "loss": logs["loss"][0],
        "accuracy": logs["accuracy"][0],
        "seconds": round(time.monotonic() - started, 3),
    }


def one_hot(images: Path) -> np.ndarray:
    """Return the targets float32 (n, classes) of the training rows."""
    classes = len(load_json(images / "about.json")["classes"])
    return np.eye(classes, dtype=np.float32)[load_array(images / "train_labels.npy")]


def _validate(job: FoldJob, trainer: keras.Model) -> dict:
    if not len(job.validation_rows):
        return {}
    images = load_array(job.images / f"train_{job.member.input}.npy")
    labels = load_array(job.images / "train_labels.npy")[job.validation_rows]
    probabilities = softmax(predict_logits(trainer, images, job.validation_rows), axis=1)
    return {"val_loss": log_loss(probabilities, labels), "val_accuracy": accuracy(probabilities, labels)}


@contextmanager
def _averaged(trainer: keras.Model, on: bool) -> Iterator[None]:
    """Let the model hold the moving average of its weights inside the block."""
    if not on:
        yield
        return
    raw = _copies(trainer.weights)
    trainer.optimizer.finalize_variable_values(trainer.trainable_variables)
    yield
    trainer.set_weights(raw)


def _reseed(trainer: keras.Model, seeds: tuple[int, ...]) -> None:
    """Set every source of randomness inside the model anew, so that an epoch is the same after a restart."""
    keras.utils.set_random_seed(_seed(*seeds))
    generators = [v for v in trainer.non_trainable_variables if "seed_generator" in v.path]
    for index, state in enumerate(generators):
        state.assign(np.random.SeedSequence((*seeds, index)).generate_state(2).astype(state.dtype))


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def _restore(path: Path, trainer: keras.Model) -> tuple[list[dict], list[np.ndarray]]:
    state = load_state(path)
    if state is None:
        return [], []
    history, groups = state
    trainer.set_weights(groups["weights"])
    for variable, value in zip(trainer.optimizer.variables, groups["optimiser"], strict=True):
        variable.assign(value)
    return history, groups["best"]


def _copies(variables: list) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]  # PyTorch hands out views


def _finish(job: FoldJob, model: keras.Model, history: list[dict]) -> None:
    with writing(job.folder / "history.csv") as part:
        pd.DataFrame(history).to_csv(part, index=False)
    saved = job.folder / "saved.keras"  # Keras insists on the ending
    model.save(saved)
    saved.replace(job.folder / "model.keras")
    (job.folder / "state.npz").unlink()
