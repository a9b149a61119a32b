"""Keras, imported without the pages that its backend writes to a terminal."""

import logging
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from pipeline.running.usage import answer
from pipeline.storage.paths import COMPILED

NVIDIA_DEVICES = ("nvidia*", "nvhost*", "nvmap", "dxg")  # of a GPU's driver: on a desktop, on Jetson, under WSL


def _has_nvidia_device() -> bool:
    return any(device for pattern in NVIDIA_DEVICES for device in Path("/dev").glob(pattern))


def _import_quietly() -> ModuleType:
    """Import Keras with stderr held back at the file descriptor, where native code writes; show it if that fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not _has_nvidia_device():
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # else CUDA's libraries print that they find no driver
    # Left alone, TensorFlow computes with oneDNN only where a CPU has AVX-512 VNNI or better, but AVX2 gains by it too:
    # see benchmarks/results/engine.csv.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # Take a GPU's memory as it is needed: a process that takes all of it leaves none to the folds and trials beside it.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    # JAX compiles every fold's model anew, for a quarter of a minute, where it does not find the program in a folder.
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(COMPILED.absolute()))
    os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(2**30))
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # a function traced anew for each fold's model is no news
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            import keras
        except BaseException:
            os.dup2(terminal, 2)
            held_back.seek(0)
            sys.stderr.write(held_back.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
    return keras


answer()  # before the import, which takes seconds
keras = _import_quietly()
