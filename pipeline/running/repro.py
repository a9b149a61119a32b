"""`python -m pipeline repro TARGETS`: run `dvc repro`, and first repair DVC's files that a killed run damaged.

TARGETS are options and stages of `dvc repro`. Without TARGETS, all stages with changes run.

DVC writes `dvc.lock` and `.dvc/tmp/rwlock` in place. If it is killed, they may be empty or truncated, and every later
run stops with an error. So each run of this command saves a copy of `dvc.lock`, which replaces a damaged one. Results
of stages that ran after the copy come from DVC's cache.

Example: python -m pipeline repro submission@fashion
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dvc.cli
from dvc.exceptions import NotDvcRepoError
from dvc.lock import LockError, make_lock
from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK
from dvc.rwlock import SCHEMA as RWLOCK_SCHEMA
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.serialize import ParseError, parse_yaml
from voluptuous import Invalid

from pipeline.config.schema import Params, load_params
from pipeline.running.stage import one_sentence
from pipeline.running.start import imports_done
from pipeline.running.usage import answer
from pipeline.storage import paths
from pipeline.storage.files import writing
from pipeline.storage.paths import PARAMS

LOCK_FILE = Path("dvc.lock")
COPY = "dvc.lock.copy"  # in .dvc/tmp


def repro(arguments: list[str]) -> int:
    """Check params.yaml, repair DVC's files, run `dvc repro` with `arguments`, and return its exit status.

    DVC reads params.yaml before the first stage runs. Its messages about faults in it are hard to understand, so this
    command checks the file first.
    """
    with one_sentence("repro"):
        params = load_params(PARAMS)
        for sentence in [*missing_folders(params), *repair_dvc_files()]:
            print(f"repro: {sentence}", file=sys.stderr, flush=True)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    imports_done()
    status = dvc.cli.main(["repro", *arguments])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # DVC has ended; the copy takes no time
    repair_dvc_files()
    return status


def missing_folders(params: Params) -> list[str]:
    """Return a sentence for each task whose folder of raw files is missing, unless a replica writes it."""
    folders = {key: Path(task.ingest.folder) for key, task in params.tasks.items()}
    return [
        f"warning: {folder}: no such folder, expected the raw files of tasks.{key}; put them there, or download them "
        f"with python -m submissions.download {key}"
        for key, folder in folders.items()
        if not folder.exists() and folder not in map(paths.replica, params.replicas)
    ]


def repair_dvc_files() -> list[str]:
    """Repair damaged files of DVC, copy a sound `dvc.lock`, and return a sentence for each file that was repaired.

    While another DVC is running, it does nothing.
    """
    try:
        repo = Repo()
        with repo.lock, make_lock(f"{repo.tmp_dir}/{RWLOCK_LOCK}"):
            sentences = [_repair_rwlock(Path(repo.tmp_dir, RWLOCK_FILE)), _repair_lock(Path(repo.tmp_dir, COPY))]
    except (LockError, NotDvcRepoError):
        return []
    return [sentence for sentence in sentences if sentence]


def _repair_rwlock(path: Path) -> str:
    """Delete DVC's list of readers and writers if it is damaged: these processes were killed or end soon."""
    if not path.exists() or _is_sound(path, RWLOCK_SCHEMA, json.loads):
        return ""
    path.unlink()
    return f"{_short_path(path)} was damaged, as by a kill, and has been deleted"


def _repair_lock(copy: Path) -> str:
    """Replace a damaged `dvc.lock` by its copy, or update the copy from a sound one."""
    if not LOCK_FILE.exists():
        return ""
    content = LOCK_FILE.read_bytes()
    if content and copy.exists() and content == copy.read_bytes():
        return ""
    if _is_sound_lock(LOCK_FILE):
        _replace(copy, content)
        return ""
    if copy.exists() and _is_sound_lock(copy):
        _replace(LOCK_FILE, copy.read_bytes())
        return f"{LOCK_FILE} was damaged, as by a kill, and is again as the last run left it"
    LOCK_FILE.unlink()
    return f"{LOCK_FILE} was damaged, as by a kill, and has been deleted; finished stages are taken from DVC's cache"


def _is_sound_lock(path: Path) -> bool:
    return _is_sound(path, COMPILED_LOCKFILE_SCHEMA, lambda text: parse_yaml(text, path))


def _is_sound(path: Path, schema: Callable[[Any], Any], parse: Callable[[str], Any]) -> bool:
    try:
        schema(parse(path.read_text(encoding="utf-8")))
    except (ValueError, ParseError, Invalid, RecursionError):
        return False
    return True


def _replace(path: Path, content: bytes) -> None:
    with writing(path) as part:
        part.write_bytes(content)


def _short_path(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    answer()
    sys.exit(repro(sys.argv[1:]))
