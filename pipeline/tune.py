"""`python -m pipeline.tune MEMBER`: write the options that a member trains with, after a search if its entry has one.

Start a killed search again to continue it. Several processes can run the same search and share its trials.
"""

import os
import sys
from typing import TYPE_CHECKING

from filelock import FileLock

from pipeline.config.options import with_values
from pipeline.config.schema import Member, Params
from pipeline.running.jobs import JOBS, Engine, engine, one_at_a_time, parallel_jobs, warn_of_old_name
from pipeline.running.stage import member_of, run
from pipeline.storage import paths
from pipeline.storage.checkpoint import digest, training_files
from pipeline.storage.extra_digests import extra_digests
from pipeline.storage.files import BadInput, blame, save_json, writing
from pipeline.storage.histories import metric_column
from pipeline.storage.task_data import TaskData
from pipeline.storage.task_metric import load_metric
from pipeline.training.class_shares import check_imbalance
from pipeline.training.monitor import metric_values, training_values

WAIT_SECONDS = 60.0

if TYPE_CHECKING:
    import optuna

    from pipeline.tuning.search import TrialJob
    from pipeline.tuning.space import Space


def tune(params: Params, key: str) -> str:
    """Write the member's entry with its defaults filled in and, after a search, with the options of the best trial."""
    member = member_of(params, key)
    check_imbalance(member, key)
    if not (member.tune.trials or member.tune.seconds):
        _save(member, key, {"trials": {}})
        return _teacher_summary(member)
    from pipeline.tuning.results import score_text, summary, trials

    study = _run_search(member, key)
    study_summary = summary(study, member.task)
    best, defaults = study_summary["best"], study_summary["defaults"]
    # If the defaults are best, the entry is written unchanged, so that nothing is trained again.
    tuned_member = member if best == defaults else with_values(member, best["options"])
    lock = paths.journal(member.task, key).with_suffix(".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):  # several processes may search at once and end together
        _save(tuned_member, key, study_summary, trials(study))
    counts = ", ".join(f"{count} {state}" for state, count in study_summary["trials"].items())
    against = f", the defaults {defaults['validation_score']:.4f}" if defaults else ""
    score = f"{study_summary['metric']} {score_text(best)}"
    return f"trials: {counts}; trial {best['number']} is best with validation {score}{against}"


def _teacher_summary(member: Member) -> str:
    if member.pseudo_labels is None:
        return ""
    from pipeline.training.pseudo_labels import teacher_line

    return teacher_line(member.task, member.pseudo_labels)


def _run_search(member: Member, key: str) -> "optuna.Study":
    """Return the member's study with its budget spent."""
    from pipeline.tuning.search import Search, best_of, is_spent, run_search
    from pipeline.tuning.study import REASON, counted_trials, open_study

    _check_data(member)
    metric = load_metric(TaskData(member.task))
    limits, storage = member.tune, member.tune.storage or str(paths.journal(member.task, key))
    name = f"{key}-{_key(member)}"
    with blame(f"{paths.PARAMS}: members.{key}"):
        study = open_study(storage, name, limits.pruner, member.training.epochs, metric.higher_is_better)
    if limits.jobs > 1 and JOBS not in os.environ:
        warn_of_old_name(f"members.{key}.tune.jobs", limits.jobs)
    if member.devices == "all":
        one_at_a_time()
    if not is_spent(study, limits, parallel_jobs()) or not best_of(study):
        with engine(limits.trials or sys.maxsize) as trials_engine:
            space = _space(trials_engine, member, key)
            run_search(Search(study, member, space, _run_trial, metric_column(metric), key), trials_engine)
    if not best_of(study):
        reasons = [trial.user_attrs.get(REASON, trial.state.name.lower()) for trial in counted_trials(study)]
        raise BadInput(f"{paths.PARAMS}: members.{key}.tune: no trial came to its end; the first: {reasons[0]}")
    return study


def _check_data(member: Member) -> None:
    """Raise BadInput if the task's data is damaged: else each trial would be recorded as one that failed."""
    data = TaskData(member.task)
    data.statistics(member.input)
    data.pixel_mean(member.input)
    images, labels = data.images("train", member.input), data.labels
    if not data.classes or len(images) != len(labels):
        raise BadInput(f"{data.folder}: {len(images)} images and {len(labels)} labels, expected equal numbers")
    if len(data.folds) != len(labels):
        raise BadInput(f"{paths.folds(member.task)}: {len(data.folds)} rows, expected {len(labels)}; run stage split")


def _key(member: Member) -> str:
    """Return a hash of everything that a trial's score depends on: data, fold, the entry, its space and code."""
    from pipeline.tuning.space import COMMON

    values = training_values(member) | {"tune": member.tune.space} | extra_digests(member)
    metric = metric_values(member)
    others = [] if metric[0] == "accuracy" else [metric]  # so that older studies by accuracy continue
    return digest([values, COMMON, *others], training_files(member.architecture, member.task))


def _space(trials_engine: Engine, member: Member, key: str) -> "Space":
    """Return the member's search space, from a job, because it imports Keras."""
    from pipeline.tuning.search import TrialJob

    task = trials_engine.submit(_describe, TrialJob(member, key), inputs=paths.job_inputs(member.task))
    while not trials_engine.ended(WAIT_SECONDS):
        pass
    if isinstance(task.error, BadInput | ValueError):
        raise BadInput(f"{paths.PARAMS}: members.{key}.tune.space: {task.error}") from task.error
    if task.error:
        raise task.error
    return task.value


def _describe(job: "TrialJob") -> "Space":
    from pipeline.tuning.trial import describe

    return describe(job)


def _run_trial(job: "TrialJob") -> float:
    from pipeline.tuning.trial import run_trial

    return run_trial(job)


def _save(member: Member, key: str, summary: dict, trials: dict | None = None) -> None:
    path, folder = paths.tuning(member.task, key), paths.study(member.task, key)
    with writing(folder) as part:
        part.mkdir()
        save_json(part / "study.json", summary)
        if trials:
            save_json(part / "trials.json", trials)
    with writing(path) as part:
        entry = {name: value for name, value in member.model_dump().items() if name != "tune"}
        save_json(part, entry | extra_digests(member))


if __name__ == "__main__":
    run("tune", tune, alone=False)  # several processes share a study
