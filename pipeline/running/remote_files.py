"""The files of a job whose worker does not share the client's folder.

The worker asks the client for the list of the job's files. It takes what it has from a cache, by content hash, and asks
for the rest. The client reads what the job writes, and confirms it. Requests are events of the task; the client answers
through functions that run beside the task in the worker's process.
"""

import functools
import hashlib
import os
import queue
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.running.jobs import JobStopped
from pipeline.storage.files import link

CHUNK_BYTES = 1 << 24
ANSWER_SECONDS = 120  # after which a client is gone, and its task too

_answers: dict[str, queue.SimpleQueue] = {}  # of this process's tasks, by their keys


@dataclass(frozen=True)
class RemoteFile:
    """A file of the client, relative to its working folder."""

    path: str
    content: str  # a hash
    is_input: bool  # which other jobs read too


def files_below(paths: Iterable[Path]) -> list[Path]:
    """Return the files at or below some paths, without unfinished ones."""
    files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    return [file for file in files if file.is_file() and file.suffix != ".part"]


def list_files(inputs: Iterable[Path], folder: Path | None) -> list[RemoteFile]:
    """Return the inputs of a job, and what an earlier attempt wrote into its folder."""
    kinds = ((files_below(inputs), True), (files_below([folder] if folder else []), False))
    return [RemoteFile(str(file), _hash_of(file), is_input) for files, is_input in kinds for file in files]


def _hash_of(path: Path) -> str:
    status = path.stat()
    return _content_hash(path, status.st_mtime_ns, status.st_size)


@functools.cache
def _content_hash(path: Path, changed_ns: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).hexdigest()


def cache() -> Path:
    """Return the folder that keeps files for later jobs of this machine. It may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "podium", "files")


class Exchange:
    """The worker's end of the exchange for one task."""

    def __init__(self, key: str, send: Callable[[dict], None], seconds: float = ANSWER_SECONDS) -> None:
        self.key, self.send, self.seconds = key, send, seconds
        self.answers = _answers[key] = queue.SimpleQueue()
        self.written: dict[str, int] = {}  # by path: the time of its last change that the client has

    @contextmanager
    def job_folder(self) -> Iterator[None]:
        """Work in a temporary folder that has the client's files of the job."""
        folder, before = Path(tempfile.mkdtemp(prefix="podium-")), Path.cwd()
        try:
            for file in self._ask({"wants": "list"}):
                target = folder / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                if not file.is_input:
                    self._fetch(file, target)
                    continue
                path = cache() / file.content
                if not path.exists():
                    part = path.with_name(f"{path.name}.{os.getpid()}")
                    part.parent.mkdir(parents=True, exist_ok=True)
                    self._fetch(file, part)
                    part.replace(path)
                link(path, target)
            os.chdir(folder)
            yield
        finally:
            os.chdir(before)
            shutil.rmtree(folder, ignore_errors=True)
            del _answers[self.key]

    def hand_over(self, paths: Iterable[Path]) -> None:
        """Wait until the client has the files at or below some paths that are new or changed."""
        times = {str(file): file.stat().st_mtime_ns for file in files_below(paths)}
        changed = [path for path, changed_at in times.items() if self.written.get(path) != changed_at]
        for path in changed:
            self._ask({"has": path, "absolute": str(Path(path).absolute())})
            self.written[path] = times[path]

    def finish(self, folder: Path) -> None:
        """Hand over the job's folder, and let the client delete what the job has deleted there."""
        self.hand_over([folder])
        self._ask({"only": [str(path) for path in files_below([folder])]})

    def _fetch(self, file: RemoteFile, path: Path) -> None:
        with path.open("wb") as target:
            while chunk := self._ask({"wants": "chunk", "path": file.path, "offset": target.tell()}):
                target.write(chunk)

    def _ask(self, request: dict) -> Any:
        self.send(request)
        try:
            return self.answers.get(timeout=self.seconds)
        except queue.Empty:
            raise JobStopped from None


def deliver(key: str, answer: Any) -> None:
    """Answer a task's request. It runs in the worker's process."""
    if key in _answers:
        _answers[key].put(answer)


def read_chunk(path: str, offset: int) -> bytes:
    """Return the next bytes of a file, none at its end."""
    with Path(path).open("rb") as file:
        file.seek(offset)
        return file.read(CHUNK_BYTES)
