"""How long do the folds of a member take in one process, in JOBS processes of Dask, and in as many started by hand?

    python -m benchmarks.parallel_folds WORK [--folds 4] [--jobs 4] [--epochs 10] [--rows 1500] [--publish]

Trains a member on scikit-learn's digits in each of the three ways, from nothing. "By hand" starts a process for each
fold with the environment that Dask's processes get. The numbers of all ways must be equal. It needs a quiet machine.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import yaml

from benchmarks.results import write
from benchmarks.stages import ROOT, csv_task, prepare_tasks, run
from pipeline.running.jobs import JOBS, SCHEDULER, environments
from pipeline.storage import paths

MEMBER = "fast"
ONE_FOLD = """
import sys
from pathlib import Path
from pipeline.running.backend import keras
from pipeline.storage import paths
from pipeline.storage.tuned_options import load_tuned
from pipeline.training.fold import train_fold
from pipeline.training.fold_jobs import fold_jobs
train_fold(fold_jobs(load_tuned("digits", "fast"), "fast", paths.resume("digits", "by-hand"))[int(sys.argv[1])])
"""


def params(folds: int, epochs: int, rows: int) -> str:
    """Return the text of params.yaml."""
    replica = {"form": "fashion", "source": "digits", "train_rows": rows, "test_rows": 200}
    training = {"epochs": epochs, "learning_rate": 1e-3}
    member = {"task": "digits", "architecture": "fast", "training": training}
    tree = {
        "replicas": {"digits": replica},
        "tasks": {"digits": csv_task("digits", folds)},
        "members": {MEMBER: member},
    }
    return yaml.safe_dump(tree)


def train_stage(jobs: int) -> tuple[float, pd.DataFrame]:
    """Return the seconds of the stage `train` from nothing, and its histories."""
    shutil.rmtree(".resume", ignore_errors=True)
    os.environ[JOBS] = str(jobs)
    start_time = time.monotonic()
    run(Path(), "train", MEMBER)
    seconds = time.monotonic() - start_time
    files = sorted(paths.models("digits", MEMBER).glob("fold-*.csv"))
    return seconds, pd.concat([pd.read_csv(file) for file in files])


def train_by_hand(folds: int, jobs: int) -> float:
    """Return the seconds of one process for each fold, `jobs` at a time."""
    shutil.rmtree(".resume", ignore_errors=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environments(jobs)[0], JOBS: "1"}
    start_time, running, left = time.monotonic(), [], list(range(folds))
    while left or running:
        while left and len(running) < jobs:
            running.append(subprocess.Popen([sys.executable, "-c", ONE_FOLD, str(left.pop(0))], env=environment))
        running = [process for process in running if process.poll() is None]
        time.sleep(0.02)
    return time.monotonic() - start_time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--publish", action="store_true", help="write the seconds into benchmarks/results/")
    arguments = parser.parse_args()
    os.environ.pop(SCHEDULER, None)
    prepare_tasks(arguments.work, params(arguments.folds, arguments.epochs, arguments.rows))
    run(Path(), "roster")
    run(Path(), "tune", MEMBER)
    alone, expected = train_stage(1)
    dask, histories = train_stage(arguments.jobs)
    by_hand = train_by_hand(arguments.folds, arguments.jobs)
    difference = float((expected - histories).abs().max().max())
    seconds = {"one process": alone, f"JOBS={arguments.jobs}": dask, f"{arguments.jobs} processes by hand": by_hand}
    for way, value in seconds.items():
        print(f"{way}: {value:.1f} s")
    print(f"by hand / JOBS: {by_hand / dask:.2f}; largest difference of the histories: {difference:.2g}")
    if arguments.publish:
        rows = [{"task": "digits", "member": way, "seconds": value} for way, value in seconds.items()]
        print(write("parallel_folds", rows))


if __name__ == "__main__":
    main()
