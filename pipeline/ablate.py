"""`python -m pipeline.ablate NAME CHANGES...`: compare variants of a member on one fold, in a table and a figure.

A variant changes some settings of the member or of its task, and keeps all others. There are three ways to write it:

    python -m pipeline.ablate MEMBER SETTING VALUE...                  one setting, several values
    python -m pipeline.ablate MEMBER SETTING=VALUE,SETTING=VALUE ...   a variant an argument
    python -m pipeline.ablate ABLATION                                 an entry under `ablations` in params.yaml

Settings are paths, such as training.optimiser, options.units, normalise or split.holdout_share. The table shows the
best epoch and the last one, or the one that --epoch names. With --seeds 3, each variant is trained three times, and
scores have the 95 % interval of their mean. Table and figure are written to `ablations/`. A killed run is resumed.

Example: python -m pipeline.ablate fashion-fast training.optimiser=adam training.optimiser=sgd,training.momentum=0
"""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.config.changes import value_at, with_changes
from pipeline.config.checks import check_member
from pipeline.config.parsing import parse
from pipeline.config.schema import Ablation, Member, Params, Task, load_params
from pipeline.config.tree import read_tree
from pipeline.reporting.ablations import summary, text_table, title_of, write_figure
from pipeline.reporting.tables import markdown
from pipeline.running.backend import keras  # noqa: F401  before the modules that import Keras directly
from pipeline.running.stage import member_of, one_sentence
from pipeline.running.usage import parser_of
from pipeline.storage import paths
from pipeline.storage.checkpoint import digest
from pipeline.storage.files import BadInput, blame, writing
from pipeline.storage.task_data import TaskData
from pipeline.storage.task_metric import load_metric
from pipeline.training.fold import load_history, train_fold
from pipeline.training.fold_jobs import fold_jobs, key_of, summary_of
from pipeline.training.monitor import metric_column
from pipeline.training.network import size_of

SEPARATOR = re.compile(r",(?=[a-z_]+(?:\.[a-z_0-9]+)*=)")  # between the settings of a variant, not inside a list
ROOT = Path(__file__).parent.parent
STAGES = ("prepare", "split", "generate")  # that write the data of a task from its arrays
SAME_DATA = ("predict", "ensemble", "submission", "competition")  # blocks of a task that change no training


@dataclass(frozen=True)
class Variant:
    """A member with some changes, and the folder in which its task's data lie."""

    changes: dict[str, Any]
    title: str
    member: Member
    folder: Path


def ablate(params: Params, ablation: Ablation) -> tuple[pd.DataFrame, list[list[pd.DataFrame]]]:
    """Train every variant, and return its rows and the histories of its epochs, a list a variant, a table a seed.

    A row has the settings that some variant changes, `seed`, and the figures of the best and of the shown epoch. If the
    training diverges, its row has no figures, and there is no history.

    Raises:
        BadInput: the member or a setting is unknown, or a value is not legal.
    """
    variants = [_variant(params, ablation.member, changes) for changes in ablation.variants]
    for variant in variants:
        with contextlib.chdir(variant.folder), blame(f"{paths.PARAMS}: members.{ablation.member}"):
            size_of(variant.member)
    names = list(dict.fromkeys(name for changes in ablation.variants for name in changes))
    rows, histories = [], []
    for variant in variants:
        task = params.tasks[variant.member.task]
        settings = {name: variant.changes.get(name, value_at(variant.member, task, name)) for name in names}
        histories.append([])
        for seed in range(ablation.seeds):
            figures, history = _train(variant, ablation, seed)
            rows.append({"variant": variant.title, **settings, "seed": seed, **figures})
            histories[-1] += [pd.DataFrame(history)] if history else []
    return pd.DataFrame(rows), histories


def _variant(params: Params, key: str, changes: dict[str, Any]) -> Variant:
    member = member_of(params, key)
    task = params.tasks[member.task]
    with blame(f"{paths.PARAMS}: members.{key}"):
        changed, changed_task = with_changes(member, task, changes)
        check_member((), changed, {member.task: changed_task})
    title = ", ".join(f"{name} {value}" for name, value in changes.items()) or "no change"
    same = {block: getattr(task, block) for block in SAME_DATA}
    folder = Path() if changed_task.model_copy(update=same) == task else _data(key, changed, changed_task)
    return Variant(changes, title, changed, folder)


def _data(key: str, member: Member, task: Task) -> Path:
    """Return a folder with the data of a changed task, from `prepare` on. The stages run if it is not complete."""
    tree = {"tasks": {member.task: task.model_dump()}, "members": {key: member.model_dump()}}
    statistics = paths.images(member.task) / "statistics.json"  # which differ if the raw files do
    folder = paths.resume(member.task, "ablated-data") / digest([tree["tasks"]], [statistics])
    arrays = folder / paths.arrays(member.task)
    arrays.parent.mkdir(parents=True, exist_ok=True)
    if not arrays.exists():
        arrays.symlink_to(paths.arrays(member.task).resolve())
    (folder / paths.PARAMS).write_text(json.dumps(tree), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    is_complete = (folder / paths.generated(member.task)).exists()
    for stage, *keys in [] if is_complete else [["roster"], *([name, member.task] for name in STAGES)]:
        command = [sys.executable, "-m", f"pipeline.{stage}", *keys]
        process = subprocess.run(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
        if process.returncode:
            raise BadInput(process.stderr.strip() or f"{folder}: stage {stage} ended with status {process.returncode}")
    return folder


def _train(variant: Variant, ablation: Ablation, seed: int) -> tuple[dict[str, Any], list[dict]]:
    """Return the figures and the history of one training; both are empty if it diverged."""
    training = variant.member.training
    member = variant.member.model_copy(update={"training": training.model_copy(update={"seed": training.seed + seed})})
    with contextlib.chdir(variant.folder):
        folder = paths.resume(member.task, f"{ablation.member}-ablation") / key_of(member, member.task)
        first, *_ = fold_jobs(member, ablation.member, folder)
        job = replace(first, title=f"{ablation.member}  {variant.title}" + (f"  seed {seed}" if seed else ""))
        try:
            train_fold(job)
        except BadInput as error:  # it diverged, which is a result
            print(f"{error}", flush=True)
            return {}, []
        history, best = load_history(job.folder), summary_of(job)
    shown = history[min(ablation.epoch or len(history), len(history)) - 1]
    names = [name for name in best if name not in ("name", "best_epoch", "epochs", "seconds_per_epoch")]
    return {
        "best epoch": best["best_epoch"],
        "epochs": best["epochs"],
        **{title_of(name): best[name] for name in names},
        **{f"{title_of(name)}, {_shown(ablation)}": shown[name] for name in names},
        "seconds per epoch": best["seconds_per_epoch"],
    }, history


def _shown(ablation: Ablation) -> str:
    return f"epoch {ablation.epoch}" if ablation.epoch else "last epoch"


def _ablation(params: Params, options: argparse.Namespace) -> tuple[str, Ablation]:
    """Return the name of the files of an ablation, and the ablation that the arguments describe."""
    name, words = options.name, options.changes
    if not words and name in params.ablations:
        ablation = params.ablations[name]
        overrides = {key: value for key in ("epoch", "seeds") if (value := getattr(options, key)) is not None}
        return name, ablation.model_copy(update=overrides)
    epochs = member_of(params, name).training.epochs
    if not words:
        names = ", ".join(params.ablations) or "none"
        raise BadInput(f"{name}: expected a setting and its values, or an entry of ablations; these are {names}")
    if options.epoch and options.epoch > epochs:
        raise BadInput(f"--epoch {options.epoch}: expected at most {epochs}, the epochs of {name}")
    setting, *values = words
    if "=" in setting:
        variants = [dict(_assignment(text) for text in SEPARATOR.split(word)) for word in words]
        files = f"{name}-{'-'.join(dict.fromkeys(key for changes in variants for key in changes))}"
    else:
        if not values:
            raise BadInput(f"{setting}: no value, expected one at least")
        variants, files = [{setting: _value(value)} for value in values], f"{name}-{setting}"
    tree = {"member": name, "variants": variants, "epoch": options.epoch}
    with blame("the command line"):
        return files, parse(Ablation, tree | ({} if options.seeds is None else {"seeds": options.seeds}))


def _assignment(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign:
        raise BadInput(f"{text!r}: expected SETTING=VALUE")
    return key.strip(), _value(value)


def _value(text: str) -> Any:
    with blame("the command line"):
        return read_tree(text).value


def main(arguments: list[str] | None = None) -> None:
    """Run the command: print the table, and write it to `ablations/` as Markdown and CSV, with a figure."""
    parser = parser_of(__doc__)
    parser.add_argument("name", metavar="NAME", help="an entry under members or ablations in params.yaml")
    parser.add_argument("changes", metavar="CHANGES", nargs="*", help="for example training.optimiser sgd adam")
    parser.add_argument("--epoch", type=int, help="the epoch to show beside the best one; default: the last")
    parser.add_argument("--seeds", type=int, help="trainings of each variant; default: 1")
    options = parser.parse_args(arguments)
    with one_sentence("ablate"):
        params = load_params(paths.PARAMS)
        name, ablation = _ablation(params, options)
        rows, histories = ablate(params, ablation)
        figure = metric_column(load_metric(TaskData(params.members[ablation.member].task)))
        scores = [title_of(figure), f"{title_of(figure)}, {_shown(ablation)}"]
        table, stem = summary(rows, scores), paths.ABLATIONS / name
        page = markdown(text_table(table)) + "\n"
        for suffix, text in ((".csv", table.to_csv(index=False)), (".md", page)):
            with writing(stem.with_name(stem.name + suffix)) as part:
                part.write_text(text, encoding="utf-8")
        with writing(stem.with_name(stem.name + ".svg")) as part:
            write_figure(part, table, list(dict.fromkeys(rows["variant"])), histories, scores)
        print(page, end="")


if __name__ == "__main__":
    main()
