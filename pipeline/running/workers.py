"""Processes that do one thing after the other, each on a device of its own; the death of one is news, not the end."""

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
    """A process and what leads to it."""

    environment: dict[str, str]  # what it has beside this process's
    process: BaseProcess
    pipe: Connection


class Failed(Exception):
    """What a worker was asked to do failed, or the worker died of it; carries the reason."""

    def __init__(self, reason: str, is_sound: bool, traceback: str = "") -> None:
        super().__init__(reason)
        self.is_sound = is_sound  # whether the worker can go on; one that ran out of memory, for one, cannot
        self.traceback = traceback  # of what is not the user's to mend


def environments(jobs: int) -> list[dict[str, str]]:
    """Return the environment of each worker: one a GPU where there are several, else `jobs` that share the CPU."""
    gpus = visible_gpus()
    if len(gpus) > 1:
        return [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus]
    if gpus or jobs == 1:
        return [{}]
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    return [{"TF_NUM_INTRAOP_THREADS": threads, "OMP_NUM_THREADS": threads}] * jobs


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as CUDA names them, without starting any of them."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    return [str(index) for index, line in enumerate(listed.splitlines()) if line.startswith("GPU ")]


def start(environment: dict[str, str]) -> Worker:
    """Return a new worker, which ends with this process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, environment), daemon=True)
    resource_tracker.ensure_running()  # here, as its start would undo the next line
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited: Ctrl-C is this process's matter
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return Worker(environment, process, ours)


def submit(worker: Worker, function: Callable[[Any], Any], argument: Any) -> None:
    """Let a worker that has nothing to do call a function; both are pickled."""
    worker.pipe.send((function, argument))


def ready(workers: Sequence[Worker], seconds: float | None = None) -> list[Worker]:
    """Return the workers that have a result, or have died, waiting at most so long for a first one; None: for ever."""
    readable = multiprocessing.connection.wait([worker.pipe for worker in workers], seconds)
    return [worker for worker in workers if worker.pipe in readable]


def result(worker: Worker) -> Any:
    """Return what the worker's function returned, once it has.

    Raises:
        Failed: it raised, or its process died.
    """
    try:
        value, failure = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        raise Failed(_cause_of_death(worker.process.exitcode), is_sound=False) from None
    if failure:
        raise Failed(*failure)
    return value


def stop(worker: Worker, grace_seconds: float = GRACE_SECONDS) -> None:
    """End a worker, gently where it has nothing to do."""
    worker.pipe.close()
    worker.process.join(grace_seconds)
    worker.process.kill()
    worker.process.join()


def _cause_of_death(status: int) -> str:
    if status >= 0:
        return f"its process ended with exit status {status}"
    name = signal.Signals(-status).name
    return f"its process was ended by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")


def _serve(pipe: Connection, environment: dict[str, str]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    silence_warnings()
    os.environ.update(environment)  # read when the backend first touches a device, which is later
    while True:
        try:
            function, argument = pipe.recv()
        except EOFError:
            return
        try:
            answer = function(argument), None
        except Exception as error:
            answer = None, _reason(error)
        pipe.send(answer)


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _reason(error: Exception) -> tuple[str, bool, str]:
    text, is_refusal = one_line(" ".join(str(error).split())), isinstance(error, BadInput | ValueError)
    reason = text if is_refusal else f"{type(error).__name__}: {text}".rstrip(": ")
    return reason, is_refusal, "" if isinstance(error, BadInput) else traceback.format_exc()
