"""Choose how a model's steps are compiled, and their precision."""

import shutil
import subprocess
from pathlib import Path

import keras

CPU_INFO = Path("/proc/cpuinfo")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
BFLOAT16_GENERATION = 8  # of NVIDIA's GPUs: Ampere


def jit_compile() -> bool | str:
    """Return the argument `jit_compile` of `keras.Model.compile`: False for TensorFlow on a CPU, else Keras's choice.

    On two cores, training steps with XLA take 1.7 times as long, and a model needs eight seconds more to start
    (`python -m benchmarks.engine`).
    """
    return False if is_tensorflow_on_a_cpu() else "auto"


def dtype_policy(precision: str) -> str:
    """Return the Keras policy for a member's `precision`. `auto` is the faster one, as far as it was measured.

    bfloat16 is faster where the hardware multiplies it: with TensorFlow on CPUs with AVX-512 BF16 or AMX, and with JAX
    on NVIDIA GPUs from Ampere on. `python -m benchmarks.engine` times both; an H100 trains 1.4 times as fast in
    bfloat16. Emulated bfloat16 is slower, or TensorFlow refuses it. Other devices were not measured, so `auto` is
    float32 there.
    """
    if precision != "auto":
        return precision
    if is_tensorflow_on_a_cpu():
        has_bfloat16 = bool(_cpu_flags() & BFLOAT16_FLAGS)
    else:
        has_bfloat16 = _is_jax_on_a_gpu() and _oldest_generation() >= BFLOAT16_GENERATION
    return "mixed_bfloat16" if has_bfloat16 else "float32"


def is_tensorflow_on_a_cpu() -> bool:
    """Return whether Keras uses TensorFlow without a GPU. Most machines do, and most measurements were made so."""
    # The backend comes first, because other backends have no such list, or raise an error if there is no GPU.
    return keras.backend.backend() == "tensorflow" and not keras.distribution.list_devices("gpu")


def _is_jax_on_a_gpu() -> bool:
    return keras.backend.backend() == "jax" and not keras.distribution.list_devices()[0].startswith("cpu")


def _cpu_flags() -> set[str]:
    """Return the first core's flags in Linux's CPU_INFO, or nothing without that file."""
    lines = CPU_INFO.read_text().splitlines() if CPU_INFO.exists() else []
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


def _oldest_generation() -> int:
    """Return the lowest generation of this machine's NVIDIA GPUs: the first number of their compute capability."""
    if shutil.which("nvidia-smi") is None:
        return 0
    query = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    lines = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    generations = [line.partition(".")[0] for line in lines]
    return min((int(number) if number.isdecimal() else 0 for number in generations), default=0)
