"""The first lines of a command, before it imports what takes seconds: Ctrl-C, a dvc that is gone, too little memory.

Only the standard library is imported here, and psutil under DVC.
"""

import os
import resource
import signal
import sys
import warnings
from types import FrameType, TracebackType
from typing import NoReturn

INTERRUPTED = 130  # exit status, as shells have it
LEAST_BYTES = 1 << 30  # of address space: with half of it libraries fail to load, or wait for ever for their threads
OWN = ("benchmarks", "features", "models", "pipeline", "submissions")


def begin() -> None:
    """Prepare this process for a command of `pipeline/` until `imports_done` is called.

    Ctrl-C ends it in one line, as does a package that is missing or finds no memory. It ends with the dvc that started
    it. Warnings of libraries are left out, unless Python was told otherwise: they would make three lines of one.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else ignored, as in a background job
        signal.signal(signal.SIGINT, _interrupted)
    sys.excepthook = _import_failed
    silence_warnings()
    sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be no text
    limit_bytes = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit_bytes != resource.RLIM_INFINITY and limit_bytes < LEAST_BYTES:
        _fail(
            f"the address space is limited to {limit_bytes / 2**30:.2f} GiB, expected at least "
            f"{LEAST_BYTES / 2**30:.0f} GiB; raise `ulimit -v`"
        )
    if "DVC_STAGE" in os.environ:
        from pipeline.running.orphans import end_with_dvc

        end_with_dvc()


def imports_done() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again, and a bug show its traceback."""
    if signal.getsignal(signal.SIGINT) is _interrupted:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.excepthook = sys.__excepthook__


def silence_warnings() -> None:
    """Leave out the warnings of libraries, unless `-W` or PYTHONWARNINGS says otherwise."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def interrupted_line(command: str) -> str:
    """Return what a person reads after Ctrl-C."""
    return f"{command}: interrupted; the same command may be run again\n"


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    os.write(2, interrupted_line(_command()).encode())  # nothing is written yet, so nothing needs to be put in order
    os._exit(INTERRUPTED)


def _import_failed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    name = (getattr(error, "name", None) or "").partition(".")[0]
    if issubclass(kind, ModuleNotFoundError) and name not in OWN:
        _fail(f"the package {name} is not installed in {sys.prefix}; run `make repro`, which installs it in .venv")
    if issubclass(kind, MemoryError) or any(text in str(error) for text in ("map segment", "allocate memory")):
        _fail("out of memory while libraries were loaded; free some, or raise `ulimit -v`")
    sys.__excepthook__(kind, error, trace)


def _command() -> str:
    """Return the command's name, as in `python -m pipeline.NAME`."""
    names = [word.removeprefix("-m") for word in sys.orig_argv]
    return next((name.removeprefix("pipeline.") for name in names if name.startswith("pipeline")), "pipeline")


def _fail(sentence: str) -> NoReturn:
    os.write(2, f"{_command()}: error: {sentence}\n".encode())
    os._exit(1)
