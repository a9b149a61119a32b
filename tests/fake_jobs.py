"""Jobs that train nothing, for workers that need no Keras."""

import os
import signal
import time

from pipeline.storage.files import BadInput


def where(job):
    return job, os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("TF_NUM_INTRAOP_THREADS")


def meet(folder):
    """Wait until a second job is there too."""
    (folder / str(os.getpid())).touch()
    end = time.monotonic() + 30
    while len(list(folder.iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    return len(list(folder.iterdir()))


def fail(job):
    """Tell one's process and work on for as long as nobody ends it; or fail once the other job has done so."""
    way, told = job
    if way is None:
        told.with_suffix(".part").write_text(str(os.getpid()))
        told.with_suffix(".part").rename(told)
        time.sleep(600)
    while not told.exists():
        time.sleep(0.01)
    if way == "refused":
        raise BadInput("the loss is nan")
    if way == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    raise ValueError("a bug")
