"""One fold: a fresh model, trained epoch by epoch, its state saved on the way."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from features.labels.metrics import accuracy, log_loss
from features.labels.targets import one_hot, probabilities
from models.parts.compiling import dtype_policy
from pipeline.config.schema import Member
from pipeline.running.progress import Progress
from pipeline.storage.checkpoint import load_state, save_state
from pipeline.storage.files import BadInput, load_array, writing
from pipeline.storage.images import load_about
from pipeline.training.batches import TrainingBatches, steps_per_epoch
from pipeline.training.epoch import Learn, epochs
from pipeline.training.generated_images import load_generated
from pipeline.training.joined_images import Extra, Joined, exchanged
from pipeline.training.network import build_model, predict_logits
from pipeline.training.phases import Phase, compiled, phases, watchers
from pipeline.training.pseudo_labels import load_pseudo
from pipeline.training.seeding import copies, seed_of, set_variables

SAVE_SECONDS = 10  # from one save to the next: a large network's takes half as long as an epoch on a GPU


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


@dataclass(frozen=True)
class FoldData:
    """What a fold reads, mapped once: Keras keeps what fed an epoch, and with it every map that an epoch opens."""

    images: np.ndarray | Joined  # uint8 (real + extra, ...)
    labels: np.ndarray  # of the real ones, class indices (n,) or label sets (n, labels)
    targets: np.ndarray  # float32 (real + extra, classes)
    extras: list[Extra]


def _data(job: FoldJob) -> FoldData:
    images = load_array(job.images / f"train_{job.member.input}.npy")
    labels, classes = load_array(job.images / "train_labels.npy"), load_about(job.images)["classes"]
    targets = one_hot(labels, len(classes))
    wanted = [(load_generated, job.member.generated_share), (load_pseudo, job.member.pseudo_labels)]
    extras = [load(job.member, job.images, job.training_rows) for load, is_used in wanted if is_used]
    for extra in extras:
        images, targets = Joined(images, extra.images), np.concatenate([targets, extra.targets])
    return FoldData(images, labels, targets, extras)


def train_fold(job: FoldJob, report: Callable[[dict], None] | None = None) -> None:
    """Train the job's model, unless that is done, from the last epoch that was saved on.

    With `report`, which is told the figures of every epoch and may raise to end it, nothing is kept: a trial.
    """
    if (job.folder / "model.keras").exists():
        print(f"{job.title}  finished before, kept", flush=True)
        return
    training = job.member.training
    keras.config.set_dtype_policy(dtype_policy(training.precision))
    keras.utils.set_random_seed(seed_of(training.seed, job.fold))
    model, data = build_model(job.member, job.images), _data(job)
    steps = steps_per_epoch(len(job.training_rows), training.batch_size)
    history, groups = load_state(job.folder / "state.npz") or ([], {})
    if history:
        model.set_weights(groups["weights"])
    with Progress(job.title, job.epochs, steps) as progress:
        for phase in phases(training, job.epochs):
            if len(history) < phase.stop_epoch:
                trainer = compiled(model, training, phase, steps, data.labels.ndim == 2)
                if len(history) > phase.start_epoch:
                    set_variables(trainer.optimizer.variables, groups["optimiser"])
                groups = _train_phase(job, data, trainer, phase, history, groups, progress, report)
    if report:
        return
    model.set_weights(groups["best"])
    _finish(job, model, history)


def _train_phase(
    job: FoldJob,
    data: FoldData,
    trainer: keras.Model,
    phase: Phase,
    history: list[dict],
    groups: dict,
    progress: Progress,
    report: Callable[[dict], None] | None,
) -> dict[str, list[np.ndarray]]:
    """Train from the first epoch that `history` lacks, which grows, and return the last state, which is saved."""
    training = job.member.training
    watching = watchers(training, trainer, history[phase.start_epoch :], phase.stop_epoch == job.epochs)
    learn = epochs(trainer, data.images, data.targets, job.member.augment)
    best_weights, saved_at = groups.get("best"), -math.inf
    for epoch in range(len(history), phase.stop_epoch):
        if trainer.stop_training:
            break
        row = _epoch(job, data, trainer, learn, epoch, progress)
        history.append(row)
        with _averaged(trainer, bool(training.ema_momentum)):
            row |= _validate(job, data, trainer)
            best = best_epoch(history, training.monitor) == epoch
            if best:
                best_weights = copies(trainer.weights)
        for watcher in watching:
            watcher.on_epoch_end(epoch - phase.start_epoch, row)
        if report:
            report(row)
            continue
        is_last = trainer.stop_training or epoch + 1 == phase.stop_epoch
        if is_last or time.monotonic() - saved_at >= SAVE_SECONDS:
            groups = {"weights": copies(trainer.weights), "optimiser": copies(trainer.optimizer.variables)}
            groups["best"] = best_weights
            save_state(job.folder / "state.npz", history, groups)
            saved_at = time.monotonic()
        progress.epoch_done(row, best)
    return groups


def best_epoch(history: list[dict], monitor: str) -> int:
    """Return the epoch with the best validation figure, the first of equals; the last one where there is no figure."""
    if monitor not in history[-1]:
        return len(history) - 1
    values = np.array([row[monitor] for row in history])
    return int(values.argmax() if monitor.endswith("accuracy") else np.nan_to_num(values, nan=np.inf).argmin())


def _epoch(job: FoldJob, data: FoldData, trainer: keras.Model, learn: Learn, epoch: int, progress: Progress) -> dict:
    training, rows = job.member.training, job.training_rows
    seeds = (training.seed, job.fold, epoch)
    started = time.monotonic()
    if data.extras:
        rows = exchanged(rows, len(data.labels), data.extras, seeds)
    batches = TrainingBatches(data.images, data.targets, rows, training.batch_size, job.member.augment, seeds)
    logs = learn(batches, progress.epoch_begun())
    if not np.isfinite(logs["loss"]):
        raise BadInput(
            f"{job.title}: the loss is {logs['loss']} in epoch {epoch + 1}, expected a finite number; "
            f"lower learning_rate, now {training.learning_rate:g}"
        )
    return {
        "epoch": epoch + 1,
        "learning_rate": float(np.asarray(trainer.optimizer.learning_rate)),
        "loss": logs["loss"],
        "accuracy": logs["accuracy"],
        "seconds": round(time.monotonic() - started, 3),
    }


def _validate(job: FoldJob, data: FoldData, trainer: keras.Model) -> dict:
    if not len(job.validation_rows):
        return {}
    labels = data.labels[job.validation_rows]
    logits = predict_logits(trainer, data.images, job.validation_rows)
    found = probabilities(logits, multi_label=labels.ndim == 2)
    return {"val_loss": log_loss(found, labels), "val_accuracy": accuracy(found, labels)}


@contextmanager
def _averaged(trainer: keras.Model, on: bool) -> Iterator[None]:
    """Let the model hold the moving average of its weights inside the block."""
    if not on:
        yield
        return
    raw = copies(trainer.weights)
    trainer.optimizer.finalize_variable_values(trainer.trainable_variables)
    trainer.set_weights(copies(trainer.weights))  # on JAX they would be the optimiser's own, and `predict` frees them
    yield
    trainer.set_weights(raw)


def _finish(job: FoldJob, model: keras.Model, history: list[dict]) -> None:
    with writing(job.folder / "history.csv") as part:
        pd.DataFrame(history).to_csv(part, index=False)
    saved = job.folder / "saved.keras"  # Keras insists on the ending
    model.save(saved)
    saved.replace(job.folder / "model.keras")
    (job.folder / "state.npz").unlink()
