"""The frame of every stage: it takes one key and prints one line about its result, or one sentence for an error."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import NoReturn, TypeVar

from filelock import FileLock, Timeout

from pipeline.config.errors import one_line
from pipeline.config.schema import Member, Params, Task, load_params
from pipeline.running.devices import is_out_of_memory
from pipeline.running.start import INTERRUPTED, imports_done, interrupted_line
from pipeline.running.usage import answer, usage_of
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from pipeline.storage.paths import PARAMS

Entry = TypeVar("Entry")


def run(stage: str, function: Callable[..., str], alone: bool = True) -> None:
    """Run `function(params, key)`, or `function(params)` if its module's usage has no key, as a command.

    The function returns a summary of its result, which is printed with the elapsed seconds, or an empty text if it had
    nothing to do. An error that the user can
    correct becomes one sentence on stderr with exit status 1. Ctrl-C gives exit status 130. A bug shows its traceback.
    If `alone`, a second run with the same key waits for the first one, because both use the same temporary files.
    """
    answer()
    started = time.monotonic()
    with one_sentence(stage):
        keys = _keys(stage, sys.argv[1:], usage_of(sys.modules[function.__module__].__doc__ or "")[0])
        params = load_params(PARAMS)
        with only_run(stage, *keys) if alone else nullcontext():
            summary = function(params, *keys)
        if summary:
            print(f"{' '.join([stage, *keys])}: {summary} in {time.monotonic() - started:.1f} s", flush=True)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the work is complete, so Ctrl-C may end the process at once


@contextmanager
def only_run(stage: str, key: str = "all") -> Iterator[None]:
    """Hold the lock of a stage and key. The system frees it when this process ends for any reason."""
    path = paths.lock(stage, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{stage} {key}: waits until another run of the same command has ended", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def one_sentence(stage: str) -> Iterator[None]:
    """End the process with one sentence on stderr if the user can correct the error, or pressed Ctrl-C."""
    try:
        imports_done()
        yield
    except BadInput as error:
        _fail(stage, str(error))
    except OSError as error:
        _fail(stage, f"{error.filename}: {_lower(error.strerror or str(error))}" if error.filename else str(error))
    except MemoryError:
        _fail(stage, "out of memory; free some, or use fewer or smaller images")
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        _fail(stage, "out of memory on the device; use a smaller batch_size or a smaller network")
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C ends it at once
        sys.stderr.write(interrupted_line(stage))
        sys.stderr.flush()
        sys.exit(INTERRUPTED)


def task_of(params: Params, key: str) -> Task:
    """Return the task with that name.

    Raises:
        BadInput: there is no such task; the message lists the names.
    """
    return _entry("tasks", params.tasks, key)


def member_of(params: Params, key: str) -> Member:
    """Return the member with that name.

    Raises:
        BadInput: there is no such member; the message lists the names.
    """
    return _entry("members", params.members, key)


def _entry(kind: str, entries: dict[str, Entry], key: str) -> Entry:
    if key not in entries:
        raise BadInput(f"{PARAMS}: {kind} has no entry {key!r}; it has {', '.join(entries) or 'none'}")
    return entries[key]


def _keys(stage: str, arguments: list[str], usage: str) -> list[str]:
    words = usage.partition(stage)[2].split()
    if len(arguments) != len(words):
        got = f"got {' '.join(arguments)!r}" if arguments else "got none"
        raise BadInput(f"expected {words[0] if words else 'no argument'}, {got}; usage: {usage}")
    return arguments


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _fail(stage: str, sentence: str) -> NoReturn:
    print(f"{stage}: error: {one_line(sentence)}", file=sys.stderr, flush=True)
    sys.exit(1)
