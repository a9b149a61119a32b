"""`python -m pipeline.train MEMBER`: train a model for each fold, and with `train_on_all` one more on all rows."""

import sys
from dataclasses import replace

import numpy as np
import pandas as pd

from pipeline.running.backend import print_device  # before the modules that import Keras directly
from pipeline.running.jobs import one_at_a_time, run_jobs, turns
from pipeline.running.progress import ALONE
from pipeline.running.stage import Params, member_of, run
from pipeline.running.trackers import check_installed
from pipeline.storage import paths
from pipeline.storage.checkpoint import digest, keep_only
from pipeline.storage.files import blame, save_json, writing
from pipeline.storage.histories import NAN_ACTION, metric_column, nan_sentence
from pipeline.storage.saved_models import copy_canonical
from pipeline.storage.task_data import TaskData
from pipeline.storage.task_metric import load_metric
from pipeline.storage.tuned_options import load_tuned
from pipeline.training.batches import batch_size_for, steps_per_epoch
from pipeline.training.class_shares import check_imbalance
from pipeline.training.fold import FoldJob, is_finished, train_fold
from pipeline.training.fold_jobs import fold_jobs, job_on_all_rows, key_of, summary_of
from pipeline.training.network import check_sizes, layers_of, size_of


def train(params: Params, key: str) -> str:
    """Train the member's folds, each from its last checkpoint, and write models, histories, `run.json` and times.

    Finished folds stay in `.resume` until data, options or the code that changes weights differ. So nothing is trained
    again when DVC runs the stage after other edits.
    """
    task, trackers = member_of(params, key).task, member_of(params, key).callbacks
    check_installed(key, trackers)
    member, state = load_tuned(task, key), paths.resume(task, key)
    check_imbalance(member, key)
    with blame(paths.PARAMS):
        size, layers = size_of(member), layers_of(member)
        check_sizes(member)
    folder = state / key_of(member, task)
    jobs = [replace(job, trackers=tuple(trackers)) for job in fold_jobs(member, key, folder)]
    if member.training.batch_size is None and member.architecture != "features":
        _print_batch_size(key, len(jobs[0].training_rows))
    print_device(key)
    if member.devices == "all":
        one_at_a_time()
    inputs = paths.job_inputs(task)
    run_jobs(train_fold, _with_turns(jobs, key, int(member.training.train_on_all)), inputs)
    if member.training.train_on_all:
        jobs.append(replace(job_on_all_rows(member, key, folder, jobs), trackers=tuple(trackers)))
        run_jobs(train_fold, jobs[-1:], inputs)
    summary = {"member": key, "architecture": member.architecture, **size, "folds": digest([], [paths.folds(task)])}
    histories = {job.folder.name: pd.read_csv(job.folder / "history.csv") for job in jobs}
    if sentence := nan_sentence(histories):
        print(f"{key}: {sentence}. {NAN_ACTION}", file=sys.stderr)
    runs = [summary_of(job) for job in jobs]
    seconds = {run["name"]: run.pop("seconds_per_epoch") for run in runs}
    with writing(paths.models(task, key)) as part:
        part.mkdir()
        for job in jobs:
            copy_canonical(job.folder / "model.keras", part / f"{job.folder.name}.keras")
            history = histories[job.folder.name].drop(columns="seconds")
            history.to_csv(part / f"{job.folder.name}.csv", index=False)
        save_json(part / "run.json", {**summary, "runs": runs})
        save_json(part / "layers.json", layers)
    with writing(paths.times(task, key)) as part:
        save_json(part, {"seconds_per_epoch": seconds})
    keep_only(folder)
    metric = load_metric(TaskData(task))
    scores = [row[metric_column(metric)] for row in runs if metric_column(metric) in row]
    parameters = f"{len(jobs)} model(s) of {size['parameters']:,} parameters"
    return f"{parameters}, validation {metric.name} {np.mean(scores):.4f}"


def _with_turns(jobs: list[FoldJob], key: str, later_jobs: int) -> list[FoldJob]:
    """Return the jobs with their places among all jobs that are not finished, for the progress display."""
    unfinished = [job.title for job in jobs if not is_finished(job)]
    work = f"{key}: {len(unfinished) + later_jobs} model(s) of {jobs[0].epochs} epochs"
    places = turns(unfinished, work, later_jobs)
    return [replace(job, turn=places.get(job.title, ALONE)) for job in jobs]


def _print_batch_size(key: str, rows: int) -> None:
    size = batch_size_for(rows)
    steps = steps_per_epoch(rows, size)
    print(f"{key}  batches of {size} images: {steps} steps an epoch for {rows:,} training images", flush=True)


if __name__ == "__main__":
    run("train", train)
