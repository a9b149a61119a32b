"""`python -m pipeline.train MEMBER`: train a model for each fold, and with `train_on_all` one more on all rows."""

import numpy as np
import pandas as pd

from pipeline.running.backend import keras  # noqa: F401  before the modules that import Keras directly
from pipeline.running.jobs import run_jobs
from pipeline.running.stage import Params, member_of, run
from pipeline.storage import paths
from pipeline.storage.checkpoint import digest, keep_only
from pipeline.storage.files import blame, save_json, writing
from pipeline.storage.saved_models import copy_canonical
from pipeline.storage.task_data import TaskData
from pipeline.storage.task_metric import load_metric
from pipeline.storage.tuned_options import load_tuned
from pipeline.training.batches import batch_size_for, steps_per_epoch
from pipeline.training.fold import train_fold
from pipeline.training.fold_jobs import fold_jobs, job_on_all_rows, key_of, summary_of
from pipeline.training.monitor import metric_column
from pipeline.training.network import size_of


def train(params: Params, key: str) -> str:
    """Train the member's folds, each from its last checkpoint, and write models, histories, `run.json` and times.

    Finished folds stay in `.resume` until data, options or the code that changes weights differ. So nothing is trained
    again when DVC runs the stage after other edits.
    """
    task = member_of(params, key).task
    member, state = load_tuned(task, key), paths.resume(task, key)
    with blame(paths.PARAMS):
        size = size_of(member)
    folder = state / key_of(member, task)
    jobs = fold_jobs(member, key, folder)
    if member.training.batch_size is None:
        _print_batch_size(key, len(jobs[0].training_rows))
    run_jobs(train_fold, jobs)
    if member.training.train_on_all:
        jobs.append(job_on_all_rows(member, key, folder, jobs))
        run_jobs(train_fold, jobs[-1:])
    summary = {"member": key, "architecture": member.architecture, **size, "folds": digest([], [paths.folds(task)])}
    runs = [summary_of(job) for job in jobs]
    seconds = {run["name"]: run.pop("seconds_per_epoch") for run in runs}
    with writing(paths.models(task, key)) as part:
        part.mkdir()
        for job in jobs:
            copy_canonical(job.folder / "model.keras", part / f"{job.folder.name}.keras")
            history = pd.read_csv(job.folder / "history.csv").drop(columns="seconds")
            history.to_csv(part / f"{job.folder.name}.csv", index=False)
        save_json(part / "run.json", {**summary, "runs": runs})
    with writing(paths.times(task, key)) as part:
        save_json(part, {"seconds_per_epoch": seconds})
    keep_only(folder)
    metric = load_metric(TaskData(task))
    scores = [row[metric_column(metric)] for row in runs if metric_column(metric) in row]
    parameters = f"{len(jobs)} model(s) of {size['parameters']:,} parameters"
    return f"{parameters}, validation {metric.name} {np.mean(scores):.4f}"


def _print_batch_size(key: str, rows: int) -> None:
    size = batch_size_for(rows)
    steps = steps_per_epoch(rows, size)
    print(f"{key}  batches of {size} images: {steps} steps an epoch for {rows:,} training images", flush=True)


if __name__ == "__main__":
    run("train", train)
