"""`python -m pipeline.repro TARGETS`: run `dvc repro`, after mending what a killed run left of DVC's own files.

TARGETS are options and stages as `dvc repro` takes them; without any, everything that has changed runs.

DVC writes `dvc.lock` and `.dvc/tmp/rwlock` in place, so a kill may leave them empty or cut off, and each later run
stops at them. `dvc.lock` is taken from a copy that each run makes; what ran since then is taken from DVC's cache.

Example: python -m pipeline.repro submission@fashion
"""

import json
import os
import signal
import sys
from pathlib import Path

import dvc.cli
from dvc.exceptions import NotDvcRepoError
from dvc.lock import LockError, make_lock
from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK
from dvc.rwlock import SCHEMA as RWLOCK_SCHEMA
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.serialize import ParseError, parse_yaml
from voluptuous import Invalid

from pipeline.config.schema import load_params
from pipeline.running.stage import one_sentence
from pipeline.running.start import imports_done
from pipeline.running.usage import answer
from pipeline.storage.paths import PARAMS

LOCK_FILE = Path("dvc.lock")
COPY = "dvc.lock.copy"  # in .dvc/tmp


def repro(arguments: list[str]) -> int:
    """Check params.yaml, mend DVC's files, run `dvc repro` with `arguments`, and return its exit status.

    DVC reads params.yaml before the first stage runs, and explains a fault in it by its own insides.
    """
    with one_sentence("repro"):
        load_params(PARAMS)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    for sentence in mend():
        print(f"repro: {sentence}", file=sys.stderr, flush=True)
    imports_done()
    status = dvc.cli.main(["repro", *arguments])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # DVC has ended; the copy takes no time
    mend()
    return status


def mend() -> list[str]:
    """Mend damaged files of DVC, copy a sound `dvc.lock`, and return a sentence for each file that was mended.

    While another DVC is running, it does nothing.
    """
    try:
        repo = Repo()
        with repo.lock, make_lock(f"{repo.tmp_dir}/{RWLOCK_LOCK}"):
            sentences = [_mend_rwlock(Path(repo.tmp_dir, RWLOCK_FILE)), _mend_lock(Path(repo.tmp_dir, COPY))]
    except (LockError, NotDvcRepoError):
        return []
    return [sentence for sentence in sentences if sentence]


def _mend_rwlock(path: Path) -> str:
    """Delete DVC's list of readers and writers if it is damaged: these processes were killed or end soon."""
    if not path.exists() or _is_sound(path, RWLOCK_SCHEMA, json.loads):
        return ""
    path.unlink()
    return f"{_short_path(path)} was damaged, as by a kill, and has been deleted"


def _mend_lock(copy: Path) -> str:
    """Replace a damaged `dvc.lock` by its copy, or update the copy from a sound one."""
    content = LOCK_FILE.read_bytes() if LOCK_FILE.exists() else None
    if content is None or (copy.exists() and content == copy.read_bytes()):
        return ""
    if _is_sound(LOCK_FILE, COMPILED_LOCKFILE_SCHEMA, lambda text: parse_yaml(text, LOCK_FILE)):
        _replace(copy, content)
        return ""
    if copy.exists():
        _replace(LOCK_FILE, copy.read_bytes())
        return f"{LOCK_FILE} was damaged, as by a kill, and is again as the last run left it"
    LOCK_FILE.unlink()
    return f"{LOCK_FILE} was damaged, as by a kill, and has been deleted; finished stages are taken from DVC's cache"


def _is_sound(path: Path, schema: object, parse: object) -> bool:
    try:
        schema(parse(path.read_text(encoding="utf-8")))
    except (ValueError, ParseError, Invalid):
        return False
    return True


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def _short_path(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    answer()
    sys.exit(repro(sys.argv[1:]))
