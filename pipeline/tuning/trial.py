"""One trial of a study, in a worker: it trains the proposed member on one fold, or is pruned if it scores low."""

import importlib
import os
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import optuna

from pipeline.config.schema import Member
from pipeline.running.backend import keras  # before the modules that import Keras directly
from pipeline.storage.histories import metric_column
from pipeline.storage.task_data import TaskData
from pipeline.storage.task_metric import load_metric
from pipeline.training.fold import FoldJob, train_fold
from pipeline.training.monitor import best_epoch, monitor_of
from pipeline.tuning.search import TrialJob
from pipeline.tuning.space import Space, space_of
from pipeline.tuning.study import open_study

FOLD = 0


def describe(member: Member) -> Space:
    """Return the member's search space."""
    return space_of(member, importlib.import_module(f"models.{member.architecture}"))


def run_trial(job: TrialJob) -> float | None:
    """Return the validation score of the epoch that `train` would keep, or None if the study pruned the trial."""
    metric = load_metric(TaskData(job.member.task))
    study = open_study(job.storage, job.study, job.pruner, job.member.training.epochs, metric.higher_is_better)
    score = metric_column(metric)
    trial, history = optuna.trial.Trial(study, job.trial_id), []

    def report(row: dict) -> None:
        history.append(row)
        trial.report(row[score], row["epoch"])
        if trial.should_prune():
            raise optuna.TrialPruned

    keras.utils.clear_session()
    try:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            train_fold(_fold_job(job), report)
    except optuna.TrialPruned:
        return None
    return float(history[best_epoch(history, monitor_of(job.member))][score])


def _fold_job(job: TrialJob) -> FoldJob:
    folds = TaskData(job.member.task).folds
    return FoldJob(
        member=job.member,
        training_rows=np.flatnonzero(folds != FOLD),
        validation_rows=np.flatnonzero(folds == FOLD),
        fold=FOLD,
        epochs=job.member.training.epochs,
        title=job.title,
        folder=Path(os.devnull),  # a trial saves nothing
    )
