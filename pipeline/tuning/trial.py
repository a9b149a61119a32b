"""One trial of a study: it trains the proposed member on one fold, and saves nothing."""

import importlib
import os
from pathlib import Path

import numpy as np

from pipeline.running.backend import print_device  # before the modules that import Keras directly
from pipeline.storage.histories import metric_column
from pipeline.storage.task_data import TaskData
from pipeline.storage.task_metric import load_metric
from pipeline.training.fold import FoldJob, train_fold
from pipeline.training.monitor import best_epoch, monitor_of
from pipeline.tuning.search import TrialJob
from pipeline.tuning.space import Space, space_of

FOLD = 0


def describe(job: TrialJob) -> Space:
    """Print what the trials compute on, and return the member's search space."""
    print_device(job.title)
    return space_of(job.member, importlib.import_module(f"models.{job.member.architecture}"))


def run_trial(job: TrialJob) -> float:
    """Return the validation score of the epoch that `train` would keep.

    Raises:
        JobStopped: the study pruned the trial.
    """
    history = train_fold(_fold_job(job))
    score = metric_column(load_metric(TaskData(job.member.task)))
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
        folder=Path(os.devnull),
        is_trial=True,
    )
