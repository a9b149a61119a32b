"""One fold: a fresh model, trained phase by phase, its state saved on the way."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras.callbacks import Callback, LambdaCallback, LearningRateScheduler

from features.labels.targets import one_hot
from models.parts import batch_norm
from models.parts.compiling import dtype_policy
from pipeline.config.schema import Member
from pipeline.running.progress import Progress
from pipeline.storage.checkpoint import load_state
from pipeline.storage.files import writing
from pipeline.storage.task_data import TaskData
from pipeline.training.batches import TrainingBatches, batch_size_for
from pipeline.training.callbacks import (
    Backup,
    BatchNormStatistics,
    BestWeights,
    EpochFigures,
    Replay,
    SeedEpoch,
    ShowProgress,
    SwapEMAWeights,
    Validation,
)
from pipeline.training.epoch import fit
from pipeline.training.generated_images import load_generated
from pipeline.training.joined_images import Extra, Joined
from pipeline.training.network import build_model
from pipeline.training.phases import Phase, compiled, phases, watchers
from pipeline.training.pseudo_labels import load_pseudo
from pipeline.training.seeding import Purpose, seed_of, set_variables


@dataclass(frozen=True)
class FoldJob:
    """All that training one fold needs, picklable."""

    member: Member
    training_rows: np.ndarray
    validation_rows: np.ndarray  # may be empty
    fold: int
    epochs: int
    title: str  # of the progress display
    folder: Path  # gets state.npz while training, history.csv and model.keras when done
    learning_rates: tuple[float, ...] = ()  # one an epoch, in place of the schedule


@dataclass(frozen=True)
class FoldData:
    """What a fold reads, mapped once: Keras keeps what fed an epoch, and with it every map that an epoch opens."""

    images: np.ndarray | Joined  # uint8 (real + extra, ...)
    labels: np.ndarray  # of the real ones, class indices (n,) or label sets (n, labels)
    targets: np.ndarray  # float32 (real + extra, classes)
    extras: list[Extra]


def _data(job: FoldJob) -> FoldData:
    data = TaskData(job.member.task)
    images, labels = data.images("train", job.member.input), data.labels
    targets = one_hot(labels, len(data.classes))
    loaders = [(load_generated, job.member.generated_share), (load_pseudo, job.member.pseudo_labels)]
    extras = [load(job.member, job.training_rows) for load, is_used in loaders if is_used]
    for extra in extras:
        images, targets = Joined(images, extra.images), np.concatenate([targets, extra.targets])
    return FoldData(images, labels, targets, extras)


def train_fold(job: FoldJob, report: Callable[[dict], None] | None = None) -> None:
    """Train the job's model, unless that is done, from the last epoch that was saved on.

    With `report`, which gets the figures of every epoch and may raise to end it, nothing is kept: a trial.
    """
    if (job.folder / "model.keras").exists():
        print(f"{job.title}  finished before, kept", flush=True)
        return
    training, seeds = job.member.training, (job.member.training.seed, job.fold)
    keras.utils.clear_session()  # layers are named alike, whatever was built before in this process
    keras.config.set_dtype_policy(dtype_policy(training.precision))
    keras.utils.set_random_seed(seed_of(seeds, Purpose.WEIGHTS))
    model, data = build_model(job.member), _data(job)
    size = batch_size_for(len(job.training_rows), training.batch_size)
    batches = TrainingBatches(
        data.images, data.targets, job.training_rows, size, job.member.augment, seeds, data.extras
    )
    state = job.folder / "state.npz"
    history, groups = load_state(state) or ([], {})
    if history:
        model.set_weights(groups["weights"])
    best = BestWeights(training.monitor, history, groups.get("best"))
    saving = LambdaCallback(on_epoch_end=lambda *_: report(history[-1])) if report else Backup(state, best)
    with Progress(job.title, job.epochs, len(batches)) as progress:
        keeping = [best, saving, ShowProgress(progress, best)]
        for phase in phases(training, job.epochs):
            if len(history) < phase.stop_epoch:
                trainer = compiled(model, training, phase, len(batches), data.labels.ndim == 2)
                if len(history) > phase.start_epoch:
                    set_variables(trainer.optimizer.variables, groups["optimiser"])
                _train_phase(job, data, trainer, batches, phase, history, keeping)
    if report:
        return
    model.set_weights(best.weights)
    _finish(job, model, history)


def _train_phase(
    job: FoldJob,
    data: FoldData,
    trainer: keras.Model,
    batches: TrainingBatches,
    phase: Phase,
    history: list[dict],
    keeping: list[Callback],
) -> None:
    """Train from the first epoch that `history` lacks; the callbacks in `keeping` come after those that judge."""
    training = job.member.training
    judging = [SeedEpoch(batches), EpochFigures(job.title, training.learning_rate)]
    if job.learning_rates:
        judging.append(LearningRateScheduler(lambda epoch, _: job.learning_rates[epoch]))
    if training.ema_momentum:
        judging.append(SwapEMAWeights(trainer.trainable_variables))
    if batch_norm.statistics(trainer):
        judging.append(BatchNormStatistics(trainer, batches))
    watching = []
    if len(job.validation_rows):
        judging.append(Validation(data.images, data.labels, job.validation_rows))
        watching = watchers(training, is_last=phase.stop_epoch == job.epochs)
    replay = Replay(watching, history[phase.start_epoch :])
    if not replay.stops(trainer):
        callbacks = [*judging, *watching, replay, *keeping]
        fit(trainer, batches, callbacks, initial_epoch=len(history), epochs=phase.stop_epoch)


def _finish(job: FoldJob, model: keras.Model, history: list[dict]) -> None:
    with writing(job.folder / "history.csv") as part:
        pd.DataFrame(history).to_csv(part, index=False)
    saved = job.folder / "saved.keras"  # Keras insists on the ending
    model.save(saved)
    saved.replace(job.folder / "model.keras")
    (job.folder / "state.npz").unlink()
