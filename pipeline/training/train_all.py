"""`python -m pipeline train_all`: train the folds of all members side by side, and then let DVC run the stages.

`dvc repro` runs one stage after the other, so at the end of each member some workers wait. This command first runs the
stages up to `tune`, then trains the unfinished folds of all members as one pool of jobs, with JOBS or DASK_SCHEDULER as
in the stages. The stages `train` find the folds in `.resume` and train nothing. Students follow their teachers.

Example: python -m pipeline train_all
"""

import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from pipeline.config.schema import Member, Params
from pipeline.running.backend import keras  # noqa: F401  before the modules that import Keras directly
from pipeline.running.jobs import run_jobs
from pipeline.running.stage import only_run, run
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from pipeline.storage.tuned_options import load_tuned
from pipeline.training.fold import FoldJob, is_finished, train_fold
from pipeline.training.fold_jobs import fold_jobs, job_on_all_rows, key_of


def train_all(params: Params) -> str:
    """Train the folds of all members and students, run their stages up to `train`, and return a summary.

    Raises:
        BadInput: a stage ended with an error, which it has printed.
    """
    groups = {"": params.members, "-student": params.students}
    jobs = 0
    for suffix, members in groups.items():
        if members:
            _repro(f"tune{suffix}")
            jobs += train_members(members)
            _repro(f"train{suffix}")
    return f"{jobs} model(s) of {len(params.members) + len(params.students)} member(s)"


def train_members(members: dict[str, Member]) -> int:
    """Train the unfinished models of some members, which have their tuned options. Return the number of models.

    A member that takes all devices for itself is left to its stage.
    """
    pooled = [key for key, member in members.items() if member.devices != "all"]
    with ExitStack() as locks:
        for key in pooled:
            locks.enter_context(only_run("train", key))
        folds = {key: _jobs(members[key], key) for key in pooled}
        _train([job for jobs in folds.values() for job in jobs], members)
        on_all = [
            replace(job_on_all_rows(jobs[0].member, key, jobs[0].folder.parent, jobs), trackers=jobs[0].trackers)
            for key, jobs in folds.items()
            if jobs[0].member.training.train_on_all
        ]
        _train(on_all, members)
    return sum(map(len, folds.values())) + len(on_all)


def _jobs(entry: Member, key: str) -> list[FoldJob]:
    member = load_tuned(entry.task, key)
    folder = paths.resume(entry.task, key) / key_of(member, entry.task)
    jobs = fold_jobs(member, key, folder)
    return [replace(job, title=_title(key, job), trackers=tuple(entry.callbacks)) for job in jobs]


def _title(key: str, job: FoldJob) -> str:
    """Return a title whose last part, which begins each line of the progress, names the member too."""
    return f"{key}  {key} {job.title.rpartition('  ')[2]}"


def _train(jobs: list[FoldJob], members: dict[str, Member]) -> None:
    inputs = {path for member in members.values() for path in paths.job_inputs(member.task)}
    run_jobs(train_fold, [job for job in jobs if not is_finished(job)], sorted(inputs))


def _repro(stage: str) -> None:
    command = [sys.executable, "-m", "pipeline", "repro", stage]
    if subprocess.run(command, check=False).returncode:
        raise BadInput(f"{Path('dvc.yaml')}: a stage before the end of {stage} failed; see its error above")


if __name__ == "__main__":
    run("train_all", train_all, alone=False)
