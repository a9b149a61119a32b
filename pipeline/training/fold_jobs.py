"""The jobs of a member: one a fold, and with `train_on_all` one on all rows."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.config.schema import Member
from pipeline.running.backend import keras
from pipeline.storage import paths
from pipeline.storage.checkpoint import digest, training_files
from pipeline.storage.extra_digests import extra_digests
from pipeline.storage.folds import load_folds
from pipeline.training.fold import FoldJob, best_epoch

ALL_ROWS = "all"


def key_of(member: Member, task: str) -> str:
    """Return a hash of all that the models depend on: data, folds, options, code and library."""
    values = {k: v for k, v in member.model_dump().items() if k != "tune"} | extra_digests(member)
    return digest([values, keras.__version__, keras.backend.backend()], training_files(member.architecture, task))


def fold_jobs(member: Member, key: str, folder: Path) -> list[FoldJob]:
    folds = load_folds(member.task)
    count = folds.max() + 1
    return [
        FoldJob(
            member=member,
            images=paths.images(member.task),
            training_rows=np.flatnonzero(folds != fold),
            validation_rows=np.flatnonzero(folds == fold),
            fold=fold,
            epochs=member.training.epochs,
            title=f"{key}  fold {fold + 1}/{count}",
            folder=folder / f"fold-{fold}",
        )
        for fold in range(count)
    ]


def job_on_all_rows(member: Member, key: str, folder: Path, done: list[FoldJob]) -> FoldJob:
    """Return the job on all rows: with nothing to validate on, for as many epochs as the folds found best.

    A schedule that ends at zero has no early best, so there it is all the epochs.
    """
    epochs = member.training.epochs
    if member.training.schedule in ("constant", "plateau"):
        epochs = round(np.mean([summary_of(job)["best_epoch"] for job in done]))
    rows = np.concatenate([done[0].training_rows, done[0].validation_rows])
    return FoldJob(
        member=member,
        images=paths.images(member.task),
        training_rows=np.sort(rows),
        validation_rows=np.array([], dtype=int),
        fold=len(done),
        epochs=epochs,
        title=f"{key}  all rows",
        folder=folder / ALL_ROWS,
    )


def summary_of(job: FoldJob) -> dict:
    history = pd.read_csv(job.folder / "history.csv")
    best = history.iloc[best_epoch(history.to_dict("records"), job.member.training.monitor)]
    figures = {name: float(best[name]) for name in ("loss", "accuracy", "val_loss", "val_accuracy") if name in best}
    seconds = float(history["seconds"].median())
    return {
        "name": job.folder.name,
        "epochs": len(history),
        "best_epoch": int(best["epoch"]),
        **figures,
        "seconds_per_epoch": seconds,
    }
