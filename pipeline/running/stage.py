"""How every stage starts and ends: one key, one line of what it made, one sentence where it cannot."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from pipeline.config.errors import one_line
from pipeline.config.schema import Member, Params, Task, load_params
from pipeline.running.orphans import end_with_dvc
from pipeline.storage.files import BadInput
from pipeline.storage.paths import PARAMS

Entry = TypeVar("Entry")
INTERRUPTED = 130  # exit status, as shells have it


def run(stage: str, function: Callable[..., str], keyed: bool = True) -> None:
    """Run `function(params, key)`, or `function(params)` where the stage is not `keyed`, as a command.

    The function returns what it made, which is printed with the seconds that it took. What the user can mend ends as
    one sentence on stderr with exit status 1, Ctrl-C with 130; a bug ends as a traceback.
    """
    end_with_dvc()
    started = time.monotonic()
    with one_sentence(stage):
        keys = _keys(stage, sys.argv[1:], keyed)
        made = function(load_params(PARAMS), *keys)
    print(f"{' '.join([stage, *keys])}: {made} in {time.monotonic() - started:.1f} s", flush=True)


@contextmanager
def one_sentence(stage: str) -> Iterator[None]:
    """End the process with one sentence on stderr where the user can mend what went wrong, or pressed Ctrl-C."""
    try:
        yield
    except BadInput as error:
        _fail(stage, str(error))
    except OSError as error:
        named = error.filename is not None
        _fail(stage, f"{error.filename}: {_lower(error.strerror)}" if named else str(error))
    except MemoryError:
        _fail(stage, "out of memory; free some, or use fewer or smaller images")
    except KeyboardInterrupt:
        print(f"{stage}: interrupted; the same command may be run again", file=sys.stderr, flush=True)
        sys.exit(INTERRUPTED)


def task_of(params: Params, key: str) -> Task:
    """Return the task of that name, or name the known ones."""
    return _entry("tasks", params.tasks, key)


def member_of(params: Params, key: str) -> Member:
    """Return the member of that name, or name the known ones."""
    return _entry("members", params.members, key)


def _entry(kind: str, entries: dict[str, Entry], key: str) -> Entry:
    if key not in entries:
        raise BadInput(f"{PARAMS}: {kind} has no entry {key!r}; it has {', '.join(entries) or 'none'}")
    return entries[key]


def _keys(stage: str, arguments: list[str], keyed: bool) -> list[str]:
    if len(arguments) != int(keyed):
        raise BadInput(f"usage: python -m pipeline.{stage}{' KEY' if keyed else ''}")
    return arguments


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _fail(stage: str, sentence: str) -> NoReturn:
    print(f"{stage}: error: {one_line(sentence)}", file=sys.stderr, flush=True)
    sys.exit(1)
