"""The jobs of a member: one for each fold, and with `train_on_all` one on all rows."""

from pathlib import Path

import numpy as np

from pipeline.config.schema import Member
from pipeline.running.backend import keras
from pipeline.storage.checkpoint import digest, training_files
from pipeline.storage.extra_digests import extra_digests
from pipeline.storage.task_data import TaskData
from pipeline.training.batches import batch_size_for
from pipeline.training.callbacks import VALIDATION
from pipeline.training.fold import FoldJob, load_history
from pipeline.training.monitor import best_epoch, monitor_of, training_values

ALL_ROWS = "all"


def key_of(member: Member, task: str) -> str:
    """Return a hash of everything that the models depend on: data, folds, options, code and library."""
    values = {k: v for k, v in training_values(member).items() if k != "tune"} | extra_digests(member)
    return digest([values, keras.__version__, keras.backend.backend()], training_files(member.architecture, task))


def fold_jobs(member: Member, key: str, folder: Path) -> list[FoldJob]:
    """Return the jobs of the member `key`, one for each fold. They write below `folder`."""
    data = TaskData(member.task)
    return [
        FoldJob(
            member=member,
            training_rows=data.training_rows(fold),
            validation_rows=data.validation_rows(fold),
            fold=fold,
            epochs=member.training.epochs,
            title=f"{key}  fold {fold + 1}/{data.fold_count}",
            folder=folder / f"fold-{fold}",
        )
        for fold in range(data.fold_count)
    ]


def job_on_all_rows(member: Member, key: str, folder: Path, done: list[FoldJob]) -> FoldJob:
    """Return the job on all rows. It has no validation rows and repeats the training of the folds in `done`.

    With `one_cycle` and `cosine` all epochs run, because these schedules end at zero. With any other schedule, the
    number of epochs is the mean of the folds' best epochs. With `plateau`, the learning rate of an epoch is the
    geometric mean over the folds that reached it.
    """
    training, histories = member.training, [load_history(job.folder) for job in done]
    epochs, rates = training.epochs, tuple[float, ...]()
    if training.schedule not in ("one_cycle", "cosine"):
        epochs = round(np.mean([best_epoch(history, monitor_of(member)) + 1 for history in histories]))
    if training.schedule == "plateau":
        rates_by_epoch = [
            [history[epoch]["learning_rate"] for history in histories if epoch < len(history)]
            for epoch in range(epochs)
        ]
        rates = tuple(float(np.exp(np.log(fold_rates).mean())) for fold_rates in rates_by_epoch)
    size = batch_size_for(len(done[0].training_rows), training.batch_size)
    rows = np.concatenate([done[0].training_rows, done[0].validation_rows])
    return FoldJob(
        member=member.model_copy(update={"training": training.model_copy(update={"batch_size": size})}),
        training_rows=np.sort(rows),
        validation_rows=np.array([], dtype=int),
        fold=len(done),
        epochs=epochs,
        title=f"{key}  all rows",
        folder=folder / ALL_ROWS,
        learning_rates=rates,
    )


def summary_of(job: FoldJob) -> dict:
    """Return a finished job's number of epochs, the metrics of its best epoch, and the median seconds per epoch."""
    history = load_history(job.folder)
    best = history[best_epoch(history, monitor_of(job.member))]
    names = ["loss", "accuracy", *(name for name in best if name.startswith(VALIDATION))]
    figures = {name: float(best[name]) for name in names}
    seconds = float(np.median([row["seconds"] for row in history]))
    return {
        "name": job.folder.name,
        "epochs": len(history),
        "best_epoch": int(best["epoch"]),
        **figures,
        "seconds_per_epoch": seconds,
    }
