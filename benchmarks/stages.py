"""Parts that benchmarks of whole stages share: a task of CSVs, running stages, preparing tasks."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from pipeline.config.schema import Params, load_params
from pipeline.storage import paths

ROOT = Path(__file__).parents[1]


def csv_task(replica: str, folds: int, **changes: object) -> dict:
    """Return the entry of a task whose files a replica of the form `fashion` writes."""
    return {
        "ingest": {
            "folder": f"data/replica/{replica}",
            "train": {"images": "train.csv"},
            "test": {"images": "testX.csv"},
            "sample_submission": "sample_submission.csv",
        },
        "prepare": {},
        "split": {"count": folds},
        "predict": {},
        "ensemble": {},
    } | changes


def run(folder: Path, stage: str, *keys: str, log: IO[str] | None = None) -> None:
    """Run a stage of the params.yaml in `folder`. With `log`, its output goes there."""
    command = [sys.executable, "-m", f"pipeline.{stage}", *keys]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, stdout=log, check=True)


def prepare_tasks(work: Path, params: str, members: Iterable[str] = ()) -> Params:
    """Change into the folder `work`, write params.yaml there, prepare images and folds of its tasks, and return it.

    With `members`, only their tasks are prepared.
    """
    work.mkdir(parents=True, exist_ok=True)
    os.chdir(work)
    paths.PARAMS.write_text(params, encoding="utf-8")
    parsed = load_params(paths.PARAMS)
    for task in {parsed.members[name].task: None for name in members} or parsed.tasks:
        if not paths.folds(task).exists():
            for stage in ("replica", "ingest", "prepare", "split"):
                run(Path(), stage, task)
    return parsed
