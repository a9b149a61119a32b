"""A killed `dvc repro` does not take its children with it; here they end by themselves."""

import os
import threading
import time
from pathlib import Path

import psutil

POLL_SECONDS = 0.5


def end_with_dvc() -> None:
    """End this process soon after the `dvc` that started it is gone.

    A child that worked on would write where the next `dvc repro` does. Without a `dvc` above this process, nothing is
    watched.
    """
    chain = []
    for ancestor in psutil.Process().parents():
        chain.append(ancestor)
        if _is_dvc(ancestor):
            threading.Thread(target=_end_after, args=(chain,), daemon=True).start()
            return


def _is_dvc(process: psutil.Process) -> bool:
    try:
        return any(Path(word).name in ("dvc", "dvc.exe") for word in process.cmdline()[:3])
    except psutil.Error:
        return False


def _end_after(chain: list[psutil.Process]) -> None:
    while all(_is_alive(process) for process in chain):
        time.sleep(POLL_SECONDS)
    os._exit(1)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
