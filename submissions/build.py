"""`python -m submissions.build TASK`: build the submission of a task's ensemble, or of one member alone.

With `--member NAME`, only this member predicts. The file is `submissions/TASK.NAME.csv`, unless `--out` names another.
Grade or compare it with `python -m submissions.score`.

Example: python -m submissions.build fashion --member fashion-fast
"""

import argparse
from pathlib import Path

from pipeline.config.schema import Params
from pipeline.running.stage import member_of
from pipeline.running.usage import parser_of
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from pipeline.submission import build_submission, save_submission
from submissions.command import run


def build(params: Params, arguments: argparse.Namespace) -> None:
    """Write the checked submission.

    Raises:
        BadInput: the member is none of the task's, or its predictions do not fit the sample submission.
    """
    key, name = arguments.task, arguments.member
    if name is not None and member_of(params, name).task != key:
        raise BadInput(f"{paths.PARAMS}: members.{name} has task {member_of(params, name).task!r}, expected {key!r}")
    path = arguments.out or (paths.submission(key) if name is None else paths.submission(f"{key}.{name}"))
    table, sample, form = build_submission(params, key, name)
    save_submission(path, table, sample, form)
    print(f"{path}: {len(table)} rows, {form.line()}, checked")


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = parser_of(__doc__)
    parser.add_argument("task", metavar="TASK", help="an entry under tasks in params.yaml")
    parser.add_argument("--member", metavar="NAME", help="an entry under members (default: the ensemble)")
    parser.add_argument("--out", metavar="FILE", type=Path, help="the file to write")
    run("build", build, parser.parse_args(arguments))


if __name__ == "__main__":
    main()
