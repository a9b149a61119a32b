"""One fold: a new model, trained phase by phase, with checkpoints."""

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras.callbacks import Callback, LambdaCallback, LearningRateScheduler

from models.parts import batch_norm
from models.parts.compiling import dtype_policy
from pipeline.config.schema import Member
from pipeline.running.clock import clock
from pipeline.running.devices import is_out_of_memory
from pipeline.running.jobs import report_epoch
from pipeline.running.progress import ALONE, Progress, Turn
from pipeline.running.trackers import Training, tracking
from pipeline.storage.checkpoint import deleting_damage, load_state
from pipeline.storage.files import reading, writing
from pipeline.storage.paths import PARAMS
from pipeline.storage.saved_models import check_whole
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
from pipeline.training.data_parallel import parallel
from pipeline.training.device_memory import full_memory
from pipeline.training.epoch import fit
from pipeline.training.fold_data import FoldData, fold_batches, fold_data, fold_network
from pipeline.training.head import fit_head
from pipeline.training.monitor import metric_column, monitor_of
from pipeline.training.network import with_size
from pipeline.training.phases import Phase, compile_trainer, phases, stretches, watchers
from pipeline.training.seeding import Purpose, seed_of
from pipeline.training.soup import Weights, greedy_soup, mean_weights
from pipeline.training.variables import copies, set_variables


@dataclass(frozen=True)
class FoldJob:
    """The input of training one fold, picklable."""

    member: Member
    training_rows: np.ndarray
    validation_rows: np.ndarray  # may be empty
    fold: int
    epochs: int
    title: str  # of the progress display
    folder: Path  # gets state.npz while training, history.csv and model.keras when done
    learning_rates: tuple[float, ...] = ()  # one for each epoch, instead of the schedule
    trackers: tuple[str, ...] = ()  # names of TRACKERS
    turn: Turn = ALONE  # among the jobs of its stage, for the progress display
    is_trial: bool = False  # which saves and shows nothing


def is_finished(job: FoldJob) -> bool:
    """Return whether the job's model is already trained. A damaged model or history is deleted."""
    path = job.folder / "model.keras"
    if path.exists():
        with deleting_damage(path):
            check_whole(path)
            load_history(job.folder)
            return True
    return False


def load_history(folder: Path) -> list[dict]:
    """Return the rows of a finished job's history.

    Raises:
        BadInput: the file is damaged.
    """
    path = folder / "history.csv"
    with reading(path, "a history of epochs"):
        rows = pd.read_csv(path).to_dict("records")
        if not rows or not {"epoch", "loss", "seconds"} <= rows[0].keys():
            raise ValueError("no epochs, or no columns epoch, loss and seconds")
    return rows


def train_fold(job: FoldJob) -> list[dict]:
    """Train the job's model from its last checkpoint, unless it is already trained, and return its history.

    Raises:
        BadInput: the device's memory is too small for a batch; the message names a batch size that fits.
        JobStopped: `report_epoch`, which gets each row of the history, raised it.
    """
    if is_finished(job):
        print(f"{job.title}  finished before, kept", flush=True)
        return load_history(job.folder)
    if job.member.architecture == "features":
        return _fit_fold(job)
    key = job.title.partition("  ")[0]
    size = batch_size_for(len(job.training_rows), job.member.training.batch_size)
    try:
        keras.utils.clear_session()  # resets the names of layers, which depend on earlier models of this process
        with parallel(job.member, key, size):
            return _train_network(job)
    except Exception as error:
        if job.is_trial or not is_out_of_memory(error):
            raise
    # After the `except`, because the error refers to arrays on the device.
    raise full_memory(f"{PARAMS}: members.{key}.training.batch_size", size, partial(_train_step, job, key))


def _train_step(job: FoldJob, key: str, size: int) -> None:
    """Train one step of the last phase with a batch of `size` images."""
    training = job.member.training.model_copy(update={"batch_size": size})
    member = job.member.model_copy(update={"training": training})
    keras.utils.clear_session()
    with parallel(member, key, size):
        data = fold_data(job)
        network = fold_network(member, job, data)
        batches = fold_batches(replace(job, member=member, training_rows=job.training_rows[:size]), data)
        phase = phases(training, job.epochs)[-1]
        trainer = compile_trainer(network, training, phase, len(batches), data.labels.ndim == 2, data.prior)
        fit(trainer, batches, [SeedEpoch(batches)])


def _train_network(job: FoldJob) -> list[dict]:
    progress = Progress(job.title, job.epochs, job.turn)
    training, seeds = job.member.training, (job.member.training.seed, job.fold)
    keras.config.set_dtype_policy(dtype_policy(training.precision))
    keras.utils.set_random_seed(seed_of(seeds, Purpose.WEIGHTS))
    data = fold_data(job)
    model, batches = fold_network(job.member, job, data), fold_batches(job, data)
    state = job.folder / "state.npz"
    history, groups = load_state(state) or ([], {})
    if history:
        model.set_weights(groups["weights"])
    optimiser_values = groups.get("optimiser", [])
    best = BestWeights(monitor_of(job.member), history, groups, max(1, training.soup_epochs))
    reporting = LambdaCallback(on_epoch_end=lambda *_: report_epoch(history[-1]))
    tracked = Training(job.member, job.title.partition("  ")[0], job.folder.name)
    with progress, tracking(job.trackers, tracked, history) as log:
        tracker = LambdaCallback(on_epoch_end=lambda *_: log(history[-1]))
        saving_callbacks = [best, reporting]
        if not job.is_trial:
            saving_callbacks += [Backup(state, best), tracker, ShowProgress(progress, best)]
        for phase in phases(training, job.epochs):
            for size, stop_epoch in stretches(training, phase, job.epochs):
                if len(history) < stop_epoch:
                    network = model if size is None else fold_network(with_size(job.member, size), job, data)
                    network.set_weights(model.get_weights())
                    trainer = compile_trainer(network, training, phase, len(batches), data.labels.ndim == 2, data.prior)
                    if len(history) > phase.start_epoch:
                        set_variables(trainer.optimizer.variables, optimiser_values)
                    _train_stretch(job, data, trainer, batches, phase, stop_epoch, history, saving_callbacks)
                    optimiser_values = copies(trainer.optimizer.variables)
                    model.set_weights(network.get_weights())
    if not job.is_trial:
        _assign_best(job, data, model, batches, best)
        _finish(job, model, history)
    return history


def _train_stretch(
    job: FoldJob,
    data: FoldData,
    trainer: keras.Model,
    batches: TrainingBatches,
    phase: Phase,
    stop_epoch: int,
    history: list[dict],
    saving_callbacks: list[Callback],
) -> None:
    """Train the epochs of a phase up to `stop_epoch`, not included, that `history` lacks.

    `saving_callbacks` run after the validation.
    """
    training = job.member.training
    epoch_callbacks = [SeedEpoch(batches), EpochFigures(job.title, training.learning_rate)]
    if job.learning_rates:
        epoch_callbacks.append(LearningRateScheduler(lambda epoch, _: job.learning_rates[epoch]))
    if training.ema_momentum:
        epoch_callbacks.append(SwapEMAWeights(trainer.trainable_variables))
    if batch_norm.statistics(trainer):
        epoch_callbacks.append(BatchNormStatistics(trainer, batches))
    watcher_callbacks = []
    if len(job.validation_rows):
        epoch_callbacks.append(Validation(data.images, data.labels, job.validation_rows, data.metric, data.columns))
        watcher_callbacks = watchers(training, monitor_of(job.member), is_last=phase.stop_epoch == job.epochs)
    replay = Replay(watcher_callbacks, history[phase.start_epoch :])
    if not replay.stops(trainer):
        callbacks = [*epoch_callbacks, *watcher_callbacks, replay, *saving_callbacks]
        fit(trainer, batches, callbacks, initial_epoch=len(history), epochs=stop_epoch)


def _assign_best(job: FoldJob, data: FoldData, model: keras.Model, batches: TrainingBatches, best: BestWeights) -> None:
    """Assign the weights of the best epoch or, with `soup_epochs`, the mean over several epochs.

    It is the greedy soup of the best epochs or, if no figure chooses epochs, the mean over the last ones.
    """
    epochs, ingredients = list(best.weights), list(best.weights.values())
    if len(epochs) == 1:
        model.set_weights(ingredients[0])
        return
    statistics = BatchNormStatistics(model, batches) if batch_norm.statistics(model) else None
    validation = Validation(data.images, data.labels, job.validation_rows, data.metric, data.columns)
    validation.set_model(model)

    def assign(weights: Weights) -> None:
        model.set_weights(weights)
        if statistics is not None:
            statistics.assign_values()

    def score(weights: Weights) -> float:
        assign(weights)
        logs: dict[str, float] = {}
        validation.on_epoch_end(0, logs)
        return logs[best.monitor.column] * (1 if best.monitor.higher_is_better else -1)

    has_figure = best.monitor.column in best.history[-1] and not best.monitor.keeps_last
    soup = greedy_soup(ingredients, score) if has_figure else list(range(len(epochs)))
    assign(mean_weights([ingredients[place] for place in soup]))
    listed = ", ".join(str(epochs[place] + 1) for place in soup)
    print(f"{job.title}  weights of epoch{'s' if len(soup) > 1 else ''} {listed}", flush=True)


def _fit_fold(job: FoldJob) -> list[dict]:
    """Fit the last layer of a member with architecture `features`, which has one epoch in its history."""
    keras.utils.clear_session()
    data = fold_data(job)
    started = time.monotonic()
    model, figures = fit_head(job, data)
    logs = {"epoch": 1, "learning_rate": 0.0, **figures, "seconds": round(time.monotonic() - started, 3)}
    if len(job.validation_rows):
        validation = Validation(data.images, data.labels, job.validation_rows, data.metric, data.columns)
        validation.set_model(model)
        validation.on_epoch_end(0, logs)
    score = f", {metric_column(data.metric)} {logs[metric_column(data.metric)]:.4f}" if len(job.validation_rows) else ""
    report_epoch(logs)
    if not job.is_trial:
        print(f"{job.title}  c {logs['c']:.2g}{score} in {clock(logs['seconds'])}", flush=True)
        _finish(job, model, [logs])
    return [logs]


def _finish(job: FoldJob, model: keras.Model, history: list[dict]) -> None:
    with writing(job.folder / "history.csv") as part:
        pd.DataFrame(history).to_csv(part, index=False)
    with writing(job.folder / "model.keras") as part:
        saved = job.folder / "saved.keras"  # Keras requires this suffix
        model.save(saved)
        saved.replace(part)
    (job.folder / "state.npz").unlink(missing_ok=True)
