"""Worker processes, each on its own device, that run one function after the other.

If a worker dies, the caller gets an error and can continue.
"""

import multiprocessing
import multiprocessing.connection
import os
import shutil
import signal
import subprocess
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from pipeline.config.errors import one_line
from pipeline.running.start import silence_warnings
from pipeline.storage.files import BadInput

GRACE_SECONDS = 3


@dataclass(frozen=True)
class Worker:
    """A process, its environment and the pipe to it."""

    environment: dict[str, str]  # variables in addition to this process's
    process: BaseProcess
    pipe: Connection


class Failed(Exception):
    """A worker's function raised an error, or the worker died. The message is the reason."""

    def __init__(self, reason: str, is_sound: bool, traceback: str = "") -> None:
        super().__init__(reason)
        self.is_sound = is_sound  # whether the worker can continue; after an out-of-memory error it cannot
        self.traceback = traceback  # only of errors that the user cannot correct


def environments(jobs: int) -> list[dict[str, str]]:
    """Return the environment of each worker: one worker for each of several GPUs, else `jobs` that share the CPU."""
    gpus = visible_gpus()
    if len(gpus) > 1:
        return [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus]
    if gpus or jobs == 1:
        return [{}]
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    return [{"TF_NUM_INTRAOP_THREADS": threads, "OMP_NUM_THREADS": threads}] * jobs


def visible_gpus() -> list[str]:
    """Return CUDA's names of the GPUs that this process may use, without initialising CUDA."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    return [str(index) for index, line in enumerate(listed.splitlines()) if line.startswith("GPU ")]


def start(environment: dict[str, str]) -> Worker:
    """Return a new worker. It ends when this process ends."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, environment), daemon=True)
    resource_tracker.ensure_running()  # before the next line, which its start would undo
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited: only this process handles Ctrl-C
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return Worker(environment, process, ours)


def submit(worker: Worker, function: Callable[[Any], Any], argument: Any) -> None:
    """Let an idle worker call a function with an argument. Both are pickled."""
    worker.pipe.send((function, argument))


def ready(workers: Sequence[Worker], seconds: float | None = None) -> list[Worker]:
    """Wait for the first result or death, and return the workers that have a result or have died.

    The list is empty if that takes more than `seconds`. None waits for ever.
    """
    readable = multiprocessing.connection.wait([worker.pipe for worker in workers], seconds)
    return [worker for worker in workers if worker.pipe in readable]


def result(worker: Worker) -> Any:
    """Wait for the worker's function, and return its result.

    Raises:
        Failed: it raised, or its process died.
    """
    try:
        value, failure = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        raise Failed(_cause_of_death(worker.process.exitcode or 0), is_sound=False) from None
    if failure:
        raise Failed(*failure)
    return value


def stop(worker: Worker, grace_seconds: float = GRACE_SECONDS) -> None:
    """End a worker. An idle worker ends by itself; a busy one is killed after the grace period."""
    worker.pipe.close()
    worker.process.join(grace_seconds)
    worker.process.kill()
    worker.process.join()


def _cause_of_death(status: int) -> str:
    if status >= 0:
        return f"its process ended with exit status {status}"
    name = signal.Signals(-status).name
    return f"its process was ended by {name}" + (", perhaps because memory ran out" if name == "SIGKILL" else "")


def _serve(pipe: Connection, environment: dict[str, str]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    silence_warnings()
    os.environ.update(environment)  # the backend reads it later, when it first uses a device
    while True:
        try:
            function, argument = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((function(argument), None))
        except Exception as error:
            pipe.send((None, _reason(error)))


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _reason(error: Exception) -> tuple[str, bool, str]:
    text, is_refusal = one_line(" ".join(str(error).split())), isinstance(error, BadInput | ValueError)
    reason = text if is_refusal else f"{type(error).__name__}: {text}".rstrip(": ")
    return reason, is_refusal, "" if isinstance(error, BadInput) else traceback.format_exc()
