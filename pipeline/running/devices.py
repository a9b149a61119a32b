"""The NVIDIA GPUs of this machine, which backend uses them, and memory that runs out. No backend is imported."""

import os
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import entry_points, version

BACKEND = "KERAS_BACKEND"
NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch", "openvino": "OpenVINO"}
SHARE_OF_MEMORY = 0.9  # of a GPU, for all processes that share it; each also needs some memory outside its share
OUT_OF_MEMORY_NAMES = ("ResourceExhaustedError", "OutOfMemoryError")  # errors of TensorFlow and PyTorch
OUT_OF_MEMORY_TEXTS = ("RESOURCE_EXHAUSTED", "CUDA_ERROR_OUT_OF_MEMORY", "Dst tensor is not initialized")


@cache
def installed_gpus() -> list[str]:
    """Return the name of each GPU that `nvidia-smi` lists, as "NVIDIA H200". Without that program no process starts."""
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    lines = [line for line in listed.splitlines() if line.startswith("GPU ")]
    return [line.partition(": ")[2].partition(" (UUID")[0] for line in lines]


def visible_gpus() -> list[str]:
    """Return CUDA's names of the GPUs that this process may use, without initialising CUDA."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name not in ("", "-1")]
    return [str(index) for index in range(len(installed_gpus()))]


def gpu_environments(processes: int) -> list[dict[str, str]]:
    """Return the environment of each of some processes that compute on the visible GPUs, which are dealt in turn.

    JAX gives the processes that share a GPU equal shares of its memory.
    """
    gpus = visible_gpus()
    sharing = -(-processes // len(gpus))
    share = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{SHARE_OF_MEMORY / sharing:.3f}"} if sharing > 1 else {}
    return [{"CUDA_VISIBLE_DEVICES": gpus[index % len(gpus)], **share} for index in range(processes)]


def backend_for_gpus() -> dict[str, str]:
    """Return the variable that selects JAX, the fastest backend on a GPU (benchmarks/README.md), if it can use one.

    It is empty if KERAS_BACKEND is already set.
    """
    return {BACKEND: "jax"} if visible_gpus() and not os.environ.get(BACKEND) and _has_jax_for_gpus() else {}


def device_text(backend: str, is_on_gpu: bool) -> str:
    """Return what a process computes on, as "NVIDIA H200 with JAX 0.12.0" or "the CPU, 2 cores, with JAX 0.12.0"."""
    gpu = next(iter(installed_gpus()), "a GPU")
    return f"{gpu if is_on_gpu else f'the CPU, {os.cpu_count()} cores,'} with {NAMES[backend]} {version(backend)}"


def unused_gpu(backend: str, is_on_gpu: bool) -> str:
    """Return a sentence with the line to type if a GPU is visible but not used, else an empty text.

    An empty CUDA_VISIBLE_DEVICES, or JAX_PLATFORMS, means that the user wants it so.
    """
    if is_on_gpu or not installed_gpus() or not visible_gpus() or "JAX_PLATFORMS" in os.environ:
        return ""
    if not _has_jax_for_gpus():
        line = f"{sys.executable} -m pip install 'jax[cuda12]'"
    elif backend != "jax":
        line = f"unset {BACKEND}"
    else:
        line = f"""{sys.executable} -c 'import jax; jax.devices("cuda")', which shows the reason"""
    return f"{installed_gpus()[0]} is not used, because {NAMES[backend]} finds no GPU; type {line}"


def _has_jax_for_gpus() -> bool:
    """Return whether JAX's plugin for NVIDIA GPUs is installed."""
    return any(plugin.name.startswith("xla_cuda") for plugin in entry_points(group="jax_plugins"))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether TensorFlow, JAX or PyTorch could not allocate memory on its device."""
    return type(error).__name__ in OUT_OF_MEMORY_NAMES or any(text in str(error) for text in OUT_OF_MEMORY_TEXTS)
