"""Results as data: every benchmark writes its figures as rows of `benchmarks/results/QUESTION.csv`.

A row is one figure. `KEY` says which: a new row replaces an older one with the same key, and git keeps the older one.
`benchmarks/questions.yaml` says what each column means; `python -m benchmarks.readme` makes the pages from the rows.
"""

import datetime
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from filelock import FileLock

from pipeline.storage.files import writing

FOLDER = Path(__file__).with_suffix("")
ROOT = Path(__file__).parents[1]
QUESTIONS = Path(__file__).with_name("questions.yaml")
KEY = ("task", "member", "setting", "rows", "views")
COLUMNS = (
    "question",
    *KEY,
    "commit",
    "date",
    "device",
    "seeds",
    "accuracy",
    "standard_error",
    "pflop",
    "seconds",
    "epoch_selection",
    "source",
)
SIGNIFICANT_DIGITS = 6


def path_of(question: str) -> Path:
    """Return the CSV of a question."""
    return FOLDER / f"{question}.csv"


def read(question: str) -> pd.DataFrame:
    """Return the rows of a question, all columns as text; what is unknown is an empty text.

    Raises:
        FileNotFoundError: the question has no rows yet.
    """
    return pd.read_csv(path_of(question), dtype=str, keep_default_na=False)


@cache
def questions() -> dict[str, Any]:
    """Return `questions.yaml`: the meaning of each column, and each question with its table."""
    return yaml.safe_load(QUESTIONS.read_text(encoding="utf-8"))


def key_of(question: str) -> list[str]:
    """Return the columns that identify a row of a question."""
    return [*KEY, *questions()["questions"].get(question, {}).get("key", ())]


def write(question: str, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Add rows to the CSV of a question, in place of older rows with the same key, and return its path.

    Args:
        question: the file's name.
        rows: values by column; None or NaN is unknown. Commit, date, device and source are filled in where they miss.

    Raises:
        OSError: the file cannot be written. It is left unchanged.
    """
    with FileLock(path_of(question).with_suffix(".lock")):  # several processes may write rows of a question
        return _write(question, rows)


def _write(question: str, rows: Iterable[Mapping[str, Any]]) -> Path:
    filled = [{"question": question, **_origin(), **row} for row in rows]
    new = pd.DataFrame([{name: _text(value) for name, value in row.items()} for row in filled])
    old = read(question) if path_of(question).exists() else pd.DataFrame(columns=COLUMNS)
    extras = [name for name in (*old.columns, *new.columns, *key_of(question)) if name not in COLUMNS]
    table = pd.concat([old, new]).reindex(columns=[*COLUMNS, *dict.fromkeys(extras)]).fillna("")
    order = table.reset_index(drop=True).groupby(key_of(question), sort=False).ngroup().to_numpy()
    keep = [name for name in questions()["questions"].get(question, {}).get("keep", ()) if name in table]
    table[keep] = table[keep].replace("", pd.NA).groupby(order).ffill().fillna("")
    newest = pd.DataFrame({"order": order, "at": range(len(table))}).groupby("order")["at"].max()
    with writing(path_of(question)) as part:
        table.iloc[newest].to_csv(part, index=False, lineterminator="\n")
    return path_of(question)


def mean_and_error(values: Iterable[float]) -> dict[str, Any]:
    """Return `accuracy`, `standard_error` (None for one seed) and `seeds` for the accuracies of all seeds."""
    values = np.array(list(values), dtype=float)
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else None
    return {"accuracy": values.mean(), "standard_error": error, "seeds": len(values)}


def _text(value: Any) -> str:
    """Return a value as the CSV shows it: numbers with at most six significant digits."""
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    if not isinstance(value, float | np.floating):
        return str(value)
    return str(int(value)) if value.is_integer() else f"{value:.{SIGNIFICANT_DIGITS}g}"


@cache
def _origin() -> dict[str, str]:
    """Return the origin of the rows: the commit (with + if files differ from it), date, device and command."""
    command = ["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]]
    return {
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "device": device(),
        "source": shlex.join(command),
    }


def commit() -> str:
    """Return the commit of the project, with + if files differ from it. Without git it is the variable COMMIT."""
    head = _git("rev-parse", "--short", "HEAD")
    return head + ("+" if _git("status", "--porcelain", "-uno") else "") if head else os.environ.get("COMMIT", "")


def device() -> str:
    """Return the name of the first GPU that the driver lists, or else of the CPU, with the number of usable cores."""
    try:
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        pass
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text(encoding="utf-8").splitlines() if cpu.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{names[0] if names else 'CPU'}, {cores} cores"


def _git(*arguments: str) -> str:
    """Return what git prints, or an empty text without git."""
    if shutil.which("git") is None:
        return ""
    result = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return result.stdout.strip()
