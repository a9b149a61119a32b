"""The precision that `auto` stands for, machine by machine."""

import pytest

from models.parts import compiling


@pytest.mark.parametrize(("flags", "policy"), [("fpu avx512_bf16", "mixed_bfloat16"), ("fpu avx2", "float32")])
def test_automatic_precision_is_bfloat16_where_the_cpu_has_it(tmp_path, monkeypatch, flags, policy):
    monkeypatch.setattr(compiling, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("keras.backend.backend", lambda: "tensorflow")
    monkeypatch.setattr("keras.distribution.list_devices", lambda kind: [])
    assert compiling.dtype_policy("auto") == "float32"  # another system, which has no such file
    compiling.CPU_INFO.write_text(f"model name\t: a CPU\nflags\t\t: {flags} sse\n")
    assert compiling.dtype_policy("auto") == policy
    assert compiling.dtype_policy("mixed_float16") == "mixed_float16"


@pytest.mark.parametrize(
    ("device", "listed", "policy"),
    [
        ("gpu:0", "9.0", "mixed_bfloat16"),  # an H100
        ("gpu:0", "12.0\n8.6", "mixed_bfloat16"),
        ("gpu:0", "8.0\n7.5", "float32"),  # an A100 and a T4, which emulates it
        ("gpu:0", "[N/A]", "float32"),
        ("gpu:0", "", "float32"),  # no driver
        ("cpu:0", "9.0", "float32"),  # JAX for CPUs alone
    ],
)
def test_automatic_precision_is_bfloat16_on_gpus_that_have_it(tmp_path, monkeypatch, device, listed, policy):
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    monkeypatch.setattr("keras.distribution.list_devices", lambda: [device])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compiling.dtype_policy("auto") == "float32"  # without NVIDIA's command
    command = tmp_path / "nvidia-smi"
    command.write_text(f"#!/bin/sh\n[ \"$1\" = --query-gpu=compute_cap ] && echo '{listed}'\n")
    command.chmod(0o755)
    assert compiling.dtype_policy("auto") == policy
