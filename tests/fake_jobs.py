"""Jobs that train nothing, for workers that need no Keras."""

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.running.jobs import JobStopped, report_epoch, report_state
from pipeline.storage.files import BadInput, writing


def facts(job):
    print("a line of", job)
    return job, os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("TF_NUM_INTRAOP_THREADS")


def has_keras(job):
    return "keras" in sys.modules


def fail(kind):
    if kind == "refused":
        raise BadInput("the loss is nan")
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    raise ValueError("a bug")


def run_epochs(job):
    """Run epochs until the job is stopped, and note each epoch and the end in a file. Continue after a kill."""
    path, epochs = job
    done = len(path.read_text().splitlines()) if path.exists() else 0
    for epoch in range(done + 1, epochs + 1):
        time.sleep(0.2)
        try:
            report_epoch({"epoch": epoch, "score": epoch / 10})
        except JobStopped:
            path.with_suffix(".stopped").touch()
            raise
        with path.open("a") as file:
            file.write(f"{epoch} {os.getpid()}\n")
    return epochs


@dataclass(frozen=True)
class FolderJob:
    """A job that reads a file, writes a folder, and dies once after its second epoch."""

    source: Path
    folder: Path
    epochs: int = 4


def write_folder(job):
    """Return the working folder and the epochs that an earlier attempt had done."""
    state, text = job.folder / "state", job.source.read_text()
    done = int(state.read_text()) if state.exists() else 0
    job.folder.mkdir(parents=True, exist_ok=True)
    for epoch in range(done + 1, job.epochs + 1):
        report_epoch({"epoch": epoch})
        with writing(state) as part:
            part.write_text(str(epoch))
        report_state(state)
        if epoch == 2 and done == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    state.unlink()
    (job.folder / "model").write_text(text)
    return Path.cwd(), done
