"""Stage `train`: a fresh model per fold, and with `train_on_all` a last one on all rows."""

import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock

from pipeline import paths
from pipeline.backend import keras  # before what imports Keras itself
from pipeline.config import Member, Params
from pipeline.contracts import blame, save_json, writing
from pipeline.extras import extra_digests
from pipeline.fit import FoldJob, best_epoch, train_fold
from pipeline.jobs import run_jobs
from pipeline.network import size_of
from pipeline.resume import digest, training_files
from pipeline.split import load_folds
from pipeline.stage import member_of, run
from pipeline.tune import load_tuned

ALL_ROWS = "all"


def train(params: Params, key: str) -> str:
    """Train the member's folds, each from where it stood, and publish models, histories and `run.json`.

    What a killed run needs stays until `predict`, which DVC runs only once it has taken these outs over.
    """
    task = member_of(params, key).task
    member, state = load_tuned(task, key), paths.resume(task, key)
    state.mkdir(parents=True, exist_ok=True)
    with FileLock(state.with_suffix(".lock")):  # a run whose dvc was killed needs a moment to end
        with blame(paths.PARAMS):
            size = size_of(member, paths.images(task))
        folder = state / key_of(member, task)
        jobs = fold_jobs(member, key, folder)
        run_jobs(train_fold, jobs)
        if member.training.train_on_all:
            jobs.append(_job_on_all(member, key, folder, jobs))
            run_jobs(train_fold, jobs[-1:])
        summary = {"member": key, "architecture": member.architecture, **size, "folds": digest([], [paths.folds(task)])}
        runs = [summary_of(job) for job in jobs]
        with writing(paths.models(task, key)) as part:
            part.mkdir()
            for job in jobs:
                shutil.copy(job.folder / "model.keras", part / f"{job.folder.name}.keras")
                shutil.copy(job.folder / "history.csv", part / f"{job.folder.name}.csv")
            save_json(part / "run.json", {**summary, "runs": runs})
    accuracies = [row["val_accuracy"] for row in runs if "val_accuracy" in row]
    return f"{len(jobs)} model(s) of {size['parameters']:,} parameters, validation accuracy {np.mean(accuracies):.4f}"


def key_of(member: Member, task: str) -> str:
    """Return a hash of all that the models depend on: data, folds, options, code and library."""
    values = {k: v for k, v in asdict(member).items() if k != "tune"} | extra_digests(member)
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


def _job_on_all(member: Member, key: str, folder: Path, done: list[FoldJob]) -> FoldJob:
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


if __name__ == "__main__":
    run("train", train)
