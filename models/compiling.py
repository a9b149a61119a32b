"""How a model's steps are compiled, and in which precision they compute."""

from pathlib import Path

import keras

CPU_INFO = Path("/proc/cpuinfo")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
BFLOAT16_CAPABILITY = 8  # as NVIDIA counts its GPUs: Ampere


def jit_compile() -> bool | str:
    """Return what `keras.Model.compile` is told: no XLA where TensorFlow has only a CPU, else what Keras chooses.

    On two cores XLA's training steps take 1.7 times as long and a model needs eight seconds more to start
    (`python -m benchmarks.engine`).
    """
    return False if is_tensorflow_on_a_cpu() else "auto"


def dtype_policy(precision: str) -> str:
    """Return the Keras policy for a member's `precision`; `auto` is the faster one, where that was measured.

    That is bfloat16 with TensorFlow on CPUs (AVX-512 BF16, AMX) and with JAX on NVIDIA GPUs (from Ampere on) that
    multiply it themselves; `python -m benchmarks.engine` times both, and an H100 trains 1.4 times as fast in it.
    Where it is emulated it is slower, or TensorFlow refuses. On other devices the two were not compared,
    so `auto` is float32 there.
    """
    if precision != "auto":
        return precision
    if keras.backend.backend() == "jax":
        return "mixed_bfloat16" if _compute_capability() >= BFLOAT16_CAPABILITY else "float32"
    return "mixed_bfloat16" if is_tensorflow_on_a_cpu() and _cpu_flags() & BFLOAT16_FLAGS else "float32"


def is_tensorflow_on_a_cpu() -> bool:
    """Return whether Keras computes there: what most machines have, and what most was measured on."""
    # In this order: other backends have no such list, or an error for a kind of device that is not there.
    return keras.backend.backend() == "tensorflow" and not keras.distribution.list_devices("gpu")


def _cpu_flags() -> set[str]:
    """Return what Linux says the first core can do; nothing, where there is no such file."""
    lines = CPU_INFO.read_text().splitlines() if CPU_INFO.exists() else []
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


def _compute_capability() -> int:
    """Return the generation of JAX's first device as NVIDIA counts them, 0 where it is no GPU of theirs."""
    import jax

    major = str(getattr(jax.devices()[0], "compute_capability", "")).partition(".")[0]
    return int(major) if major.isdecimal() else 0
