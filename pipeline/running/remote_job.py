"""A job in a Dask worker: it checks that the worker computes the same numbers, runs there, and reports its epochs."""

import functools
import hashlib
import io
import json
import os
import pickle
import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline.running.devices import BACKEND, backend_for_gpus
from pipeline.running.jobs import EngineFailed, JobStopped, Listeners, heard_by
from pipeline.running.remote_files import Exchange
from pipeline.running.start import silence_warnings

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("features", "models", "pipeline")


@dataclass(frozen=True)
class Call:
    """A job on its way to a worker."""

    payload: bytes  # a pickled function and its argument
    identity: dict[str, str]  # of the client
    backend: str  # Keras's
    folder: str  # the client's working folder
    token: str  # the content of a file in this folder, by which a worker knows that it has the same folder
    topic: str  # of the events that the client hears
    uses_keras: bool  # whether the function's module imports Keras
    output: str | None  # the folder that the job writes


@dataclass(frozen=True)
class Execution:
    """What `pickle.loads` turns into the result of a job."""

    call: Call

    def __reduce__(self) -> tuple:
        return execute, (self.call,)


def backend_name() -> str:
    """Return the name of Keras's backend, without importing Keras."""
    if "keras" in sys.modules:
        return sys.modules["keras"].backend.backend()
    return os.environ.get(BACKEND) or backend_for_gpus().get(BACKEND) or "tensorflow"


def identity(backend: str) -> dict[str, str]:
    """Return what numbers depend on: a digest of the code, and the versions of Keras, NumPy and the backend."""
    return {"code": _code_digest(), **{name: _version(name) for name in ("keras", "numpy", backend)}}


@functools.cache
def _code_digest() -> str:
    """Return the digest when this process first asked, because it keeps the modules that it has imported."""
    hashed = hashlib.blake2b(digest_size=8)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            hashed.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return hashed.hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def execute(call: Call) -> Any:
    """Run the job in this worker, and return its result. What it prints appears at the client.

    The worker works in the client's folder if they share it, else in a temporary one.
    """
    from distributed import get_worker

    worker = get_worker()
    key = str(worker.get_current_task())
    _check(call, worker.address)
    _separate_random_numbers()
    silence_warnings()

    def send(message: dict) -> None:
        worker.log_event(call.topic, {"key": key, "worker": worker.address, **message})

    def after_epoch(row: dict) -> None:
        send({"row": json.dumps(row, default=float)})
        task = worker.state.tasks.get(key)
        is_alive = worker.status.name in ("running", "paused")  # else it has lost its scheduler, and soon ends
        if not is_alive or task is None or task.state == "cancelled":
            raise JobStopped

    listeners = Listeners(after_epoch)
    with ExitStack() as stack:
        stack.enter_context(_lines_sent(send))
        stack.enter_context(heard_by(listeners))
        exchange = None if Path(call.folder, call.token).exists() else Exchange(key, send)
        if exchange is None:
            os.chdir(call.folder)
        if call.uses_keras:
            import pipeline.running.backend  # noqa: F401  before the modules that import Keras directly
        if exchange is not None:
            stack.enter_context(exchange.job_folder())
            listeners.after_save = lambda path: exchange.hand_over([path])
        function, job = pickle.loads(call.payload)
        result = function(job)
        if exchange is not None and call.output is not None:
            exchange.finish(Path(call.output))
        return result


def _check(call: Call, address: str) -> None:
    """Raise EngineFailed if this worker would compute other numbers than the client."""
    if "keras" not in sys.modules:
        os.environ[BACKEND] = call.backend
    ours = {"backend": backend_name(), **identity(call.backend)}
    for name, expected in {"backend": call.backend, **call.identity}.items():
        if ours[name] != expected:
            remedy = "update the project there and restart the worker" if name == "code" else "install the same version"
            raise EngineFailed(f"worker {address}: {name} {ours[name]}, expected {expected} as here; {remedy}")


def _separate_random_numbers() -> None:
    """Let Dask draw random numbers of its own.

    Keras draws the seeds of weights from Python's global stream. Dask's threads, such as the one that estimates the
    size of messages every half second, draw from it at any moment, so that each run would have other weights.
    """
    for name, module in list(sys.modules.items()):
        is_dask = name.partition(".")[0] in ("dask", "distributed", "tornado")
        if is_dask and getattr(module, "random", None) is random:
            module.random = random.Random()  # type: ignore[attr-defined]


@contextmanager
def _lines_sent(send: Any) -> Iterator[None]:
    """Send each printed line to the client."""
    with redirect_stdout(_Lines(send, "stdout")), redirect_stderr(_Lines(send, "stderr")):
        yield


class _Lines(io.TextIOBase):
    def __init__(self, send: Any, stream: str) -> None:
        super().__init__()
        self.send, self.stream, self.rest = send, stream, ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            self.send({"line": line, "stream": self.stream})
        return len(text)
