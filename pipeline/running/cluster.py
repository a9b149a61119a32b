"""The engine that runs jobs on a Dask cluster."""

import hashlib
import json
import pickle
import queue
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import Client, Future, KilledWorker

from pipeline.running.jobs import EngineFailed, EpochWatcher, JobStopped, Task, always
from pipeline.running.progress import write_line
from pipeline.running.remote_files import deliver, files_below, list_files, read_chunk
from pipeline.running.remote_job import Call, Execution, backend_name, identity
from pipeline.storage.files import BadInput, writing

WORKER_SECONDS = 30  # after which it is an error that no worker can take a job
POLL_SECONDS = 1.0
GPU = "GPU"  # the resource that a worker may declare
STATE = Path(".resume")  # gets a file by which workers know that they share this folder


@dataclass
class Attempt:
    """A task on its way through the cluster."""

    task: Task
    name: str  # of the job, from its content
    call: Call
    inputs: Sequence[Path]
    future: Future | None = None
    number: int = 0
    last_epoch: int = 0
    first_epochs: int = 0  # the last epoch when this attempt began


class Cluster:
    """An engine. Its methods are called from one thread, in which they also call the watchers."""

    def __init__(self, client: Client, name: str, restart_workers: Callable[[], None] | None = None) -> None:
        """Use the scheduler of `client`, which error messages call `name`.

        `restart_workers` is called when there are fewer workers than before.

        Raises:
            EngineFailed: it has no worker within WORKER_SECONDS.
        """
        self.client, self.name, self.restart_workers = client, name, restart_workers
        self.attempts: dict[str, Attempt] = {}  # by the key of the future
        self.messages: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self.topic, self.token = f"podium-{uuid.uuid4().hex}", STATE / f"shared-{uuid.uuid4().hex}"
        self.backend = backend_name()
        self.identity = identity(self.backend)
        self.workers: dict[str, dict] = {}
        self.most_workers = 0
        self.check_time = -POLL_SECONDS
        self.worker_time = time.monotonic()  # when there was one that can take a job
        client.subscribe_topic(self.topic, lambda event: self.messages.put(("event", event[1])))
        while not self.workers:
            self._check_workers()
            time.sleep(0.05)

    @property
    def size(self) -> int:
        """The number of workers."""
        return max(1, len(self.workers))

    def submit(
        self, function: Callable[[Any], Any], job: Any, watch: EpochWatcher = always, inputs: Sequence[Path] = ()
    ) -> Task:
        """Queue a job."""
        payload = pickle.dumps((function, job))
        call = Call(
            payload=payload,
            identity=self.identity,
            backend=self.backend,
            folder=str(Path.cwd()),
            token=str(self.token),
            topic=self.topic,
            uses_keras="keras" in sys.modules,
            output=None if (folder := getattr(job, "folder", None)) is None else str(folder),
        )
        content = hashlib.blake2b(payload + repr((call.identity, call.folder)).encode(), digest_size=8).hexdigest()
        task = Task(watch)
        self._start(Attempt(task, f"{function.__name__}-{content}", call, inputs))
        return task

    def ended(self, seconds: float) -> list[Task]:
        """Wait for the next tasks that end, and return them. The list is empty if that takes more than `seconds`.

        Raises:
            EngineFailed: the scheduler is lost, or no worker can take a job.
        """
        end, tasks = time.monotonic() + seconds, []
        while not tasks and (left := end - time.monotonic()) > 0:
            with suppress(queue.Empty):
                kind, content = self.messages.get(timeout=min(left, POLL_SECONDS))
                while True:
                    tasks += self._hear_event(content) if kind == "event" else self._end(content)
                    kind, content = self.messages.get_nowait()
            self._check_workers()
        return tasks

    def cancel(self) -> None:
        """Cancel the tasks that have not ended. A job notices it after its epoch."""
        with suppress(OSError, CancelledError):
            if self.client.status == "running":
                self.client.cancel([attempt.future for attempt in self.attempts.values()])
        self.attempts.clear()

    def _start(self, attempt: Attempt) -> None:
        attempt.number += 1
        attempt.first_epochs = attempt.last_epoch
        key, resources = f"{attempt.name}-{attempt.number}", {GPU: 1} if self._has_gpus() else None
        self.attempts[key] = attempt
        # A worker ends itself when it cannot import a task's function, so the function is one that each worker has.
        payload = pickle.dumps(Execution(attempt.call))
        attempt.future = future = self.client.submit(pickle.loads, payload, key=key, resources=resources)
        future.add_done_callback(lambda future: self.messages.put(("end", future.key)))

    def _hear_event(self, message: dict) -> list[Task]:
        """Print a line of a job, or pass on an epoch. Return the task if its watcher ends it."""
        if "line" in message:
            if message["stream"] == "stdout":
                write_line(message["line"])
            else:
                print(message["line"], file=sys.stderr, flush=True)
            return []
        if "row" not in message:
            self._answer(message)
            return []
        key, row = message["key"], json.loads(message["row"])
        attempt = self.attempts.get(key)
        if attempt is None or row["epoch"] <= attempt.last_epoch:  # a job that was interrupted repeats an epoch
            return []
        attempt.last_epoch = row["epoch"]
        if attempt.task.watch(row):
            return []
        attempt.task.is_stopped = True
        del self.attempts[key]
        self.client.cancel([attempt.future])
        return [attempt.task]

    def _answer(self, message: dict) -> None:
        """Answer a worker that does not share this folder. If it dies meanwhile, its job begins again elsewhere."""
        attempt = self.attempts.get(message["key"])
        if attempt is None:
            return
        worker, folder = message["worker"], Path(attempt.call.output) if attempt.call.output else None
        answer: Any = True
        with suppress(OSError, KeyError):
            if message.get("wants") == "list":
                answer = list_files(attempt.inputs, folder)
            elif message.get("wants") == "chunk":
                answer = read_chunk(message["path"], message["offset"])
            elif folder and "has" in message and Path(message["has"]).is_relative_to(folder):
                self._copy(worker, message["absolute"], Path(message["has"]))
            elif folder and "only" in message:
                for path in files_below([folder]):
                    if str(path) not in message["only"]:
                        path.unlink()
            self.client.run(deliver, message["key"], answer, workers=[worker])

    def _copy(self, worker: str, source: str, path: Path) -> None:
        with writing(path) as part, part.open("wb") as target:
            while chunk := self.client.run(read_chunk, source, target.tell(), workers=[worker])[worker]:
                target.write(chunk)

    def _end(self, key: str) -> list[Task]:
        attempt = self.attempts.pop(key, None)
        if attempt is None or (future := attempt.future) is None:
            return []
        try:
            attempt.task.value = future.result()
        except KilledWorker as error:
            if attempt.last_epoch > attempt.first_epochs:
                self._start(attempt)
                return []
            times = error.allowed_failures + 1
            attempt.task.error = BadInput(
                f"{attempt.name}: {times} workers died before the end of an epoch, perhaps because memory ran out"
            )
        except CancelledError:
            raise self._lost() from None
        except EngineFailed:
            raise
        except JobStopped:  # it waited in vain for its files, or the same job of an earlier run was cancelled
            self._start(attempt)
            return []
        except ModuleNotFoundError as error:
            raise EngineFailed(
                f"{self.name}: a worker cannot import {error.name}; start it in the project's folder and environment"
            ) from None
        except Exception as error:
            attempt.task.error = error
        finally:
            future.release()  # else the scheduler would answer the same job with the same result or error
        return [attempt.task]

    def _check_workers(self) -> None:
        now = time.monotonic()
        if now < self.check_time + POLL_SECONDS:
            return
        self.check_time = now
        try:
            if self.client.status != "running":
                raise self._lost()
            workers = self.client.scheduler_info()["workers"]
        except (OSError, CancelledError):
            raise self._lost() from None
        for address in self.workers.keys() - workers.keys():
            print(f"worker {address} is gone; its job continues on another one", file=sys.stderr, flush=True)
        self.most_workers = max(self.most_workers, len(workers))
        if self.restart_workers and len(workers) < self.most_workers:
            self.restart_workers()
        self.workers = workers
        if workers:
            self.worker_time = now
        elif now > self.worker_time + WORKER_SECONDS:
            raise EngineFailed(f"{self.name} has no worker since {WORKER_SECONDS} s; start one and repeat the command")

    def _has_gpus(self) -> bool:
        return any(GPU in worker["resources"] for worker in self.workers.values())

    def _lost(self) -> EngineFailed:
        return EngineFailed(f"{self.name} is lost; repeat the command, which continues from the last epochs")
