"""Import of Keras, on a GPU if there is one, without the pages of output that its backend writes to a terminal."""

import logging
import os
import sys
import tempfile
from pathlib import Path

from pipeline.running.devices import backend_for_gpus, device_text, unused_gpu, visible_gpus
from pipeline.running.start import check_address_space
from pipeline.running.usage import answer
from pipeline.storage.paths import COMPILED

LEAST_BYTES = 3 << 30  # of address space
NVIDIA_DEVICES = ("nvidia*", "nvhost*", "nvmap", "dxg")  # device files of a GPU: on a desktop, on Jetson, under WSL


def _has_gpu() -> bool:
    """Return whether a backend may find a GPU. Jetson's devices have no `nvidia-smi`."""
    return bool(visible_gpus()) or any(path for pattern in NVIDIA_DEVICES for path in Path("/dev").glob(pattern))


def _import_quietly() -> None:
    """Import Keras with its stderr in a temporary file, and show that file if the import fails.

    The file descriptor is redirected, because native code writes there directly.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not _has_gpu():
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # else CUDA's libraries print that there is no driver
    # By default TensorFlow uses oneDNN only on CPUs with AVX-512 VNNI or better. It is also faster on CPUs with AVX2:
    # see benchmarks/results/engine.csv.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # Allocate GPU memory as needed: a process that allocates all of it leaves none to parallel folds and trials.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    # Without a cache folder JAX compiles the model of every fold again, which takes a quarter of a minute.
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(COMPILED.absolute()))
    os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(2**30))
    # Else TensorFlow warns that a function is traced again for each fold.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as captured_stderr:
        os.dup2(captured_stderr.fileno(), 2)
        try:
            import keras

            if keras.backend.backend() != "tensorflow":
                keras.utils.set_random_seed(0)  # imports TensorFlow, whose messages about CUDA would come later
        except BaseException:
            os.dup2(terminal, 2)
            captured_stderr.seek(0)
            sys.stderr.write(captured_stderr.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def print_device(title: str) -> None:
    """Print one line about the device that this process computes on, and a warning if a visible GPU is not used."""
    backend, is_on_gpu = keras.backend.backend(), _is_on_gpu()
    print(f"{title}  computes on {device_text(backend, is_on_gpu)}", flush=True)
    if warning := unused_gpu(backend, is_on_gpu):
        print(f"{title}: warning: {warning}", file=sys.stderr, flush=True)


def _is_on_gpu() -> bool:
    if keras.backend.backend() == "torch":  # for which Keras lists no devices
        return keras.ops.zeros(1).device.type != "cpu"
    return not keras.distribution.list_devices()[0].startswith("cpu")


answer()  # before the import, which takes seconds
check_address_space(LEAST_BYTES)  # with less, it ends in a different error each time
os.environ.update(backend_for_gpus())
_import_quietly()
import keras  # noqa: E402
