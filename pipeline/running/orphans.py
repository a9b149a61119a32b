"""A killed `dvc repro` does not take its children with it; here they end by themselves."""

import os
import threading
import time
from pathlib import Path

import psutil

POLL_SECONDS = 0.5


def end_with_dvc() -> None:
    """End this process soon after the DVC that started it is gone, or now where it is gone already.

    A child that worked on would write where the next `dvc repro` does. DVC tells its children's stage in DVC_STAGE;
    a stage that is run by hand has none, and nothing is watched.
    """
    if "DVC_STAGE" not in os.environ:
        return
    chain = []
    for ancestor in psutil.Process().parents():  # DVC, perhaps behind the shell that runs its command
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
