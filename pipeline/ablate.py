"""`python -m pipeline.ablate MEMBER SETTING VALUE...`: compare values of one setting of a member on one fold.

All other settings stay the same. SETTING is `options.NAME`, `training.NAME` or `augment.NAME`. The table is printed and
written to `ablations/`. The reports have such tables of optimisers, learning rates and activations.

Example: python -m pipeline.ablate fashion-fast training.optimiser adam sgd muon
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.config.options import with_values
from pipeline.config.schema import Member, Params, load_params
from pipeline.config.tree import read_tree
from pipeline.reporting.tables import markdown
from pipeline.running.backend import keras  # noqa: F401  before the modules that import Keras directly
from pipeline.running.stage import member_of, one_sentence
from pipeline.running.usage import parser_of
from pipeline.storage import paths
from pipeline.storage.files import BadInput, blame, writing
from pipeline.training.callbacks import VALIDATION
from pipeline.training.fold import FoldJob, train_fold
from pipeline.training.fold_jobs import fold_jobs, key_of, summary_of
from pipeline.training.network import size_of

COLUMNS = {
    "best_epoch": "best epoch",
    "epochs": "epochs",
    "loss": "training loss",
    "accuracy": "training accuracy",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
    "seconds_per_epoch": "seconds per epoch",
}


def ablate(params: Params, key: str, setting: str, values: list[str]) -> pd.DataFrame:
    """Train the member once for each value, and return a row of metrics for each value. A killed run is resumed.

    If the training diverges, its row has no metrics.

    Args:
        params: the configuration.
        key: the member.
        setting: `block.name`, for example `training.optimiser` or `options.activation`.
        values: as in `params.yaml`.

    Raises:
        BadInput: the member or the setting is unknown, or a value is not legal.
    """
    member = member_of(params, key)
    with blame(f"{paths.PARAMS}: members.{key}"):
        variants = {value: _with_value(member, setting, value) for value in values}
        for variant in variants.values():
            size_of(variant)
    return pd.DataFrame([{setting: value, **_metrics(key, f"{setting} {value}", v)} for value, v in variants.items()])


def _with_value(member: Member, setting: str, value: str) -> Member:
    block, _, name = setting.partition(".")
    if block not in ("options", "training", "augment") or not name:
        raise ValueError(f"{setting!r} is no setting; expected options.NAME, training.NAME or augment.NAME")
    return with_values(member, {setting: read_tree(value).value})


def _metrics(key: str, title: str, member: Member) -> dict[str, Any]:
    folder = paths.resume(member.task, f"{key}-ablation") / key_of(member, member.task)
    job = _job(member, key, title, folder)
    try:
        train_fold(job)
    except BadInput as error:  # it diverged, which is a result
        print(f"{error}", flush=True)
        return {}
    summary = summary_of(job)
    own = {name: name.replace(VALIDATION, "validation ") for name in summary if name.startswith(VALIDATION)}
    return {title: summary[name] for name, title in (own | COLUMNS).items()}


def _job(member: Member, key: str, title: str, folder: Path) -> FoldJob:
    first, *_ = fold_jobs(member, key, folder)
    return replace(first, title=f"{key}  {title}")


def main(arguments: list[str] | None = None) -> None:
    """Run the command: print the table and write it to `ablations/` as Markdown and CSV."""
    parser = parser_of(__doc__)
    parser.add_argument("member", metavar="MEMBER", help="an entry under members in params.yaml")
    parser.add_argument("setting", metavar="SETTING", help="for example training.optimiser")
    parser.add_argument("values", metavar="VALUE", nargs="+")
    options = parser.parse_args(arguments)
    with one_sentence("ablate"):
        table = ablate(load_params(paths.PARAMS), options.member, options.setting, options.values)
        stem = paths.ABLATIONS / f"{options.member}-{options.setting}"
        text_table = markdown(
            table.fillna("diverged").map(lambda value: f"{value:.4g}" if isinstance(value, float) else value)
        )
        for suffix, text in ((".csv", table.to_csv(index=False)), (".md", text_table + "\n")):
            with writing(stem.with_name(stem.name + suffix)) as part:
                part.write_text(text, encoding="utf-8")
        print(text_table)


if __name__ == "__main__":
    main()
