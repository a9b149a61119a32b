"""The end of a stage whose `dvc repro` was killed: DVC does not end its child processes."""

import os
import threading
import time
from pathlib import Path

import psutil

POLL_SECONDS = 0.5


def end_with_dvc() -> None:
    """End this process soon after the DVC process that started it has ended, or now if it has ended already.

    Otherwise this process and the next `dvc repro` would write the same files. DVC sets DVC_STAGE for its child
    processes. Without that variable the stage was started by hand, and this function does nothing.
    """
    if "DVC_STAGE" not in os.environ:
        return
    chain = []
    for ancestor in psutil.Process().parents():  # the shell that DVC runs a command with, if any, and DVC itself
        chain.append(ancestor)
        if _is_python(ancestor):
            threading.Thread(target=_end_after, args=(chain,), daemon=True).start()
            return
    raise SystemExit("the dvc that started this stage is gone")


def _is_python(process: psutil.Process) -> bool:
    try:
        words = [process.name(), *(Path(word).name for word in process.cmdline()[:1])]
    except psutil.Error:
        return False
    return any(word.startswith(("python", "dvc")) for word in words)


def _end_after(chain: list[psutil.Process]) -> None:
    while all(_is_alive(process) for process in chain):
        time.sleep(POLL_SECONDS)
    os._exit(1)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
