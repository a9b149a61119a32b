"""The first steps of a command, before its slow imports: handle Ctrl-C, a DVC that has ended, and too little memory.

This module imports only the standard library, and psutil if DVC started the command.
"""

import io
import os
import resource
import signal
import sys
import threading
import warnings
from types import FrameType, TracebackType
from typing import NoReturn

REPEAT_SECONDS = 0.5  # until the hook that asks for it has ended on a busy machine too, as the hook would ignore it
INTERRUPTED = 130  # exit status, as shells have it
LEAST_BYTES = 1 << 30  # of address space: with half of it, libraries fail to load or wait for ever for their threads
OWN = ("benchmarks", "features", "models", "pipeline", "submissions")


def begin() -> None:
    """Prepare this process for a command of `pipeline/` or `submissions/` until `imports_done` is called.

    Ctrl-C, a missing package and an import without enough memory each end the process with one line. The process also
    ends when the DVC that started it ends. Warnings of libraries are hidden unless the user set Python's warning
    options, because a stage's result should be one line.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else ignored, as in a background job
        signal.signal(signal.SIGINT, _interrupted)
    sys.excepthook = _import_failed
    sys.unraisablehook = _interrupt_again
    silence_warnings()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names may not be valid text
    check_address_space(LEAST_BYTES)
    if "DVC_STAGE" in os.environ:
        from pipeline.running.orphans import end_with_dvc

        end_with_dvc()


def check_address_space(least_bytes: int) -> None:
    """End the process with one line if its address space is limited to less than `least_bytes`."""
    limit_bytes = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit_bytes != resource.RLIM_INFINITY and limit_bytes < least_bytes:
        _fail(
            f"the address space is limited to {limit_bytes / 2**30:.2f} GiB, expected at least "
            f"{least_bytes / 2**30:.0f} GiB; raise `ulimit -v`"
        )


def imports_done() -> None:
    """Restore Python's handlers: Ctrl-C raises KeyboardInterrupt, and a bug shows its traceback."""
    if signal.getsignal(signal.SIGINT) is _interrupted:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.excepthook = sys.__excepthook__


def silence_warnings() -> None:
    """Hide the warnings of libraries unless `-W` or PYTHONWARNINGS is set."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def interrupted_line(command: str) -> str:
    """Return the message after Ctrl-C."""
    return f"{command}: interrupted; the same command may be run again\n"


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    os.write(2, interrupted_line(_command()).encode())  # no file is written yet, so there is nothing to clean up
    os._exit(INTERRUPTED)


def _interrupt_again(unraisable: "sys.UnraisableHookArgs") -> None:
    """Repeat a Ctrl-C that Python could not raise, because it came in a finaliser or a callback of a library."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        main_thread = threading.main_thread().ident
        threading.Timer(REPEAT_SECONDS, signal.pthread_kill, [main_thread, signal.SIGINT]).start()
    else:
        sys.__unraisablehook__(unraisable)


def _import_failed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    name = (getattr(error, "name", None) or "").partition(".")[0]
    if issubclass(kind, ModuleNotFoundError) and name not in OWN:
        _fail(f"the package {name} is not installed in {sys.prefix}; run `make repro`, which installs it in .venv")
    if issubclass(kind, MemoryError) or any(text in str(error) for text in ("map segment", "allocate memory")):
        _fail("out of memory while libraries were loaded; free some, or raise `ulimit -v`")
    sys.__excepthook__(kind, error, trace)


def _command() -> str:
    """Return NAME of `python -m pipeline.NAME` or `python -m submissions.NAME`."""
    for word in sys.orig_argv:
        package, _, name = word.removeprefix("-m").partition(".")
        if package in ("pipeline", "submissions"):
            return name or package
    return "pipeline"


def _fail(sentence: str) -> NoReturn:
    os.write(2, f"{_command()}: error: {sentence}\n".encode())
    os._exit(1)
