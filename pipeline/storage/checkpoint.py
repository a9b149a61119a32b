"""Checkpoints: the state of unfinished training, from which the next run resumes.

The state of a fold is one file, which is replaced as a whole after an epoch. Its folder is named by a hash of
everything that the result depends on. It is outside the stage's outs, because DVC deletes those.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.storage import paths
from pipeline.storage.files import BadInput, reading, writing

ROOT = Path(__file__).parent.parent.parent
ROOMS = ("models/parts", "features/augmentation", "features/labels", "pipeline/training")  # whose code changes weights
BACKBONES = "models/backbones"
PRETRAINED = ("features", "pretrained")  # architectures that use it


def digest(values: Sequence, files: Sequence[Path]) -> str:
    """Return a short hash of JSON-able values and of the bytes of files."""
    hashed = hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=8)
    for file in files:
        hashed.update(file.read_bytes())
    return hashed.hexdigest()


def training_files(architecture: str, task: str) -> list[Path]:
    """Return the files that trained weights depend on: data, folds, and the code that changes weights."""
    images = paths.images(task)
    data = [images / "statistics.json", images / "about.json", paths.folds(task)]
    own_rooms = (*ROOMS, BACKBONES) if architecture in PRETRAINED else ROOMS
    rooms = [path for room in own_rooms for path in sorted((ROOT / room).rglob("*.py"))]
    return [*data, ROOT / "models" / f"{architecture}.py", *rooms]


def keep_only(folder: Path) -> None:
    """Delete the checkpoints of other options or other code, which are beside `folder`."""
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other)


def save_state(path: Path, history: list[dict], groups: dict[str, list[np.ndarray]]) -> None:
    """Write the history of the epochs so far and named lists of arrays, in one atomic step."""
    arrays: dict[str, Any] = {f"{name}/{i}": a for name, group in groups.items() for i, a in enumerate(group)}
    with writing(path) as part, part.open("wb") as file:
        np.savez(file, history=np.array(json.dumps(history)), **arrays)


def load_state(path: Path) -> tuple[list[dict], dict[str, list[np.ndarray]]] | None:
    """Return the history and arrays that `save_state` wrote, or None without such a file.

    A damaged file is deleted, with one line on stderr.
    """
    if path.exists():
        with deleting_damage(path), reading(path, "a checkpoint"), np.load(path, allow_pickle=False) as saved:
            groups: dict[str, list[np.ndarray]] = {}
            for name in saved.files:  # in the order in which they were written
                if name != "history":
                    groups.setdefault(name.partition("/")[0], []).append(saved[name])
            return json.loads(str(saved["history"])), groups
    return None


@contextmanager
def deleting_damage(path: Path) -> Iterator[None]:
    """Delete the checkpoint `path`, with one line on stderr, if one of its files is damaged or missing."""
    try:
        yield
    except (BadInput, FileNotFoundError):
        path.unlink()
        print(f"{path}: a damaged checkpoint, now deleted; training starts again", file=sys.stderr, flush=True)
