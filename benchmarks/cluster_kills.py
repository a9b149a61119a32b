"""Does a run on a Dask cluster whose workers and scheduler are killed end with the files of a run in one process?

    nice python -m benchmarks.cluster_kills FOLDER [--workers 50] [--schedulers 10] [--seed 0]

Each round writes the tiny project of `faults.yaml`, starts a scheduler and two workers, and repeats `python -m pipeline
repro` with DASK_SCHEDULER until it finishes. Meanwhile it kills, at random moments by the seed, a worker's process, a
worker with the process that would restart it, or the scheduler. What was killed is started again. FOLDER gets a line
for each kill (`cluster_kills.jsonl`). The same command resumes with the next round.

A round passes if the run ends with one sentence after the kill of a scheduler, and does not end after the kill of a
worker, if each kill repeats at most one epoch, and if the final files are those of an undisturbed run in one process,
except for times. So that an epoch can be lost at all, the project's copy of the code saves each epoch, however short.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

from benchmarks import kills, tiny_project
from benchmarks.results import write

WORKERS = 2
PAUSE_SECONDS = 12  # most of them between two kills
PARALLEL_STAGES = ("generate", "tune", "train", "predict")
EPOCH_LINE = re.compile(r"^(\S+ \d+/\d+|\S+) +epoch +(\d+)/\d+ ")
SENTENCE = re.compile(r"^\w+: error: .* is lost; repeat the command, which continues from the last epochs$", re.M)


class Cluster:
    """A scheduler and workers, each a process group of its own."""

    def __init__(self, project: Path) -> None:
        """Start them in the project's folder."""
        self.project, self.log = project, (project.parent / "cluster.log").open("a")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.start_scheduler()
        self.workers = [self.start_worker() for _ in range(WORKERS)]

    def start_scheduler(self) -> None:
        """Start the scheduler at the address that it always has."""
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", str(self.port))

    def start_worker(self) -> subprocess.Popen:
        """Start a worker with its nanny."""
        return self._start("worker", self.address, "--nthreads", "1", "--memory-limit", "0")

    def _start(self, name: str, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", f"distributed.cli.dask_{name}", *arguments, "--no-dashboard"]
        environment = {name: text for name, text in tiny_project.environment().items() if name != "DASK_SCHEDULER"}
        options = {"cwd": self.project, "stdout": self.log, "stderr": self.log, "start_new_session": True}
        return subprocess.Popen(command, env=environment, **options)

    def restart(self) -> None:
        """Start what has ended."""
        if self.scheduler.poll() is not None:
            self.start_scheduler()
        self.workers = [self.start_worker() if worker.poll() is not None else worker for worker in self.workers]

    def kill_worker(self, draw: random.Random) -> str:
        """Kill a worker's process, or the worker with its nanny, and return which."""
        worker = draw.choice(self.workers)
        if draw.random() < 0.5:
            children = psutil.Process(worker.pid).children(recursive=True)
            processes = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
            if processes:
                draw.choice(processes).kill()
                return "worker"
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        return "worker and nanny"

    def kill_scheduler(self) -> str:
        """Kill the scheduler."""
        self.scheduler.kill()
        self.scheduler.wait()
        return "scheduler"

    def stop(self) -> None:
        """Kill all of them."""
        for process in (self.scheduler, *self.workers):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.log.close()


def run_round(folder: Path, number: int, reference: dict, draw: random.Random, plan: list[str]) -> list[dict]:
    """Return a row for each kill of a round that did happen. The last row also has the faults of the whole round."""
    project = folder / f"cluster-{number}" / "project"
    shutil.rmtree(project.parent, ignore_errors=True)
    tiny_project.make(project, kills.EPOCHS)
    callbacks = project / "pipeline" / "training" / "callbacks.py"
    callbacks.write_text(callbacks.read_text().replace("SAVE_SECONDS = 10 ", "SAVE_SECONDS = 0 "))
    cluster, rows, plan = Cluster(project), [], list(plan)
    os.environ["DASK_SCHEDULER"] = cluster.address
    try:
        process = kills.start(project)
        while process.poll() is None or process.returncode:
            if process.poll() is not None:
                rows[-1]["wrong"] += wrong_after_an_end(project, rows[-1])
                if rows[-1]["wrong"]:
                    return rows
                process = kills.start(project)
            cluster.restart()
            pause(process, draw.random() * PAUSE_SECONDS)
            stage = (kills.stages_so_far(project) or [""])[-1]
            if plan and process.poll() is None and stage.partition("@")[0].removesuffix("-student") in PARALLEL_STAGES:
                kind = cluster.kill_scheduler() if plan.pop() == "scheduler" else cluster.kill_worker(draw)
                rows.append({"round": number, "stage": stage, "target": kind, "signal": "SIGKILL", "wrong": []})
                print(json.dumps(rows[-1]), flush=True)
                if kind == "scheduler":
                    process.wait(kills.RUN_SECONDS)
        rows[-1]["wrong"] += kills.wrong_at_the_end(project, 0, reference, rows)
        rows[-1]["epochs_again"] = epochs_again(project)
        if rows[-1]["epochs_again"] > len(rows):
            rows[-1]["wrong"].append(f"{rows[-1]['epochs_again']} epochs were repeated in {len(rows)} kills")
    finally:
        del os.environ["DASK_SCHEDULER"]
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        cluster.stop()
    return rows


def epochs_again(project: Path) -> int:
    """Return how many epochs the log has twice."""
    stage, lines = "", []
    for line in (project.parent / "log").read_text(errors="replace").splitlines():
        if match := kills.STAGE_LINE.match(line):
            stage = match[1]
        elif match := EPOCH_LINE.match(line):
            lines.append((stage, match[1], match[2]))
    return len(lines) - len(set(lines))


def pause(process: subprocess.Popen, seconds: float) -> None:
    """Wait, but not longer than the process runs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.05)


def wrong_after_an_end(project: Path, row: dict) -> list[str]:
    """Return the faults of a run that ended with an error: only a lost scheduler may end it, with its sentence."""
    log = (project.parent / "log").read_text(errors="replace")
    lost = len(SENTENCE.findall(log))
    if row["target"] == "scheduler" and "Traceback" not in log and lost:
        return []
    return [f"the run ended: {log[-600:]}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=50)
    parser.add_argument("--schedulers", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--publish", action="store_true", help="write the counts into benchmarks/results/")
    arguments = parser.parse_args()
    folder, kills.EPOCHS = arguments.folder.absolute(), arguments.epochs
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "cluster_kills.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    reference = kills.undisturbed_run(folder)
    while True:
        schedulers = sum(row["target"] == "scheduler" for row in rows)
        plan = ["scheduler"] * (arguments.schedulers - schedulers)
        plan += ["worker"] * (arguments.workers - (len(rows) - schedulers))
        if not plan:
            break
        number = rows[-1]["round"] + 1 if rows else 0
        draw = random.Random(f"{arguments.seed} {number}")
        draw.shuffle(plan)
        new = run_round(folder, number, reference, draw, plan)
        with log.open("a") as file:
            file.writelines(f"{json.dumps(row)}\n" for row in new)
        rows += new
        print(json.dumps(new[-1] if new else "no kill"), flush=True)
        if not any(row["wrong"] for row in new):
            shutil.rmtree(folder / f"cluster-{number}")
    counts = kills.counts(rows)
    print(counts)
    if arguments.publish:
        print(write("cluster_kills", counts))


if __name__ == "__main__":
    main()
