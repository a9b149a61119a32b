"""Jobs that train nothing, for workers that need no Keras."""

import os
import signal
import time

from pipeline.storage.files import BadInput


def worker_facts(job):
    return job, os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("TF_NUM_INTRAOP_THREADS")


def count_workers(folder):
    """Wait until a second worker has started, and return the number of workers."""
    (folder / str(os.getpid())).touch()
    end = time.monotonic() + 30
    while len(list(folder.iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    return len(list(folder.iterdir()))


def fail(job):
    """Without a `way`: write the process id and sleep. With one: fail in this way once the other job has written it."""
    way, pid_file = job
    if way is None:
        pid_file.with_suffix(".part").write_text(str(os.getpid()))
        pid_file.with_suffix(".part").rename(pid_file)
        time.sleep(600)
    while not pid_file.exists():
        time.sleep(0.01)
    if way == "refused":
        raise BadInput("the loss is nan")
    if way == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    raise ValueError("a bug")
