"""What a killed run leaves behind, and how the next one takes it up.

The state of a fold is one file, replaced as a whole after every epoch. It lies outside the stage's outs, which DVC
deletes, in a folder named by a hash of all that the result depends on.
"""

import hashlib
import json
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from pipeline.contracts import writing

POLL_SECONDS = 1.0


def digest(values: Sequence, files: Sequence[Path]) -> str:
    """Return a short hash of JSON-able values and of the bytes of files."""
    hashed = hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=8)
    for file in files:
        hashed.update(file.read_bytes())
    return hashed.hexdigest()


def save_state(path: Path, history: list[dict], groups: dict[str, list[np.ndarray]]) -> None:
    """Write the history of the epochs so far and named lists of arrays, in one atomic step."""
    arrays = {f"{name}/{i}": a for name, group in groups.items() for i, a in enumerate(group)}
    with writing(path) as part, part.open("wb") as file:
        np.savez(file, history=np.array(json.dumps(history)), **arrays)


def load_state(path: Path) -> tuple[list[dict], dict[str, list[np.ndarray]]] | None:
    """Return what `save_state` wrote, or None where nothing was."""
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as saved:
        groups: dict[str, list[np.ndarray]] = {}
        for name in saved.files:  # in the order in which they were written
            if name != "history":
                groups.setdefault(name.partition("/")[0], []).append(saved[name])
        return json.loads(str(saved["history"])), groups


def end_with_dvc() -> None:
    """End this process soon after the `dvc` that started it is gone.

    A killed `dvc repro` does not take its children with it, and a child that trains on would write where the next
    `dvc repro` does. Without a `dvc` above this process, nothing is watched.
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
