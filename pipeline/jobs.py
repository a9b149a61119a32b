"""Independent work as a list of jobs: each a plain function of one picklable argument."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from typing import TypeVar

import joblib

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_jobs(function: Callable[[Job], Result], jobs: Sequence[Job]) -> list[Result]:
    """Return the results in the order of `jobs`: one process a GPU where there are several, else one after the other.

    On a CPU, and on a single GPU, one job already uses the whole device.
    """
    devices = visible_gpus()[: len(jobs)]
    if len(devices) < 2:
        return [function(job) for job in jobs]
    shares = [list(range(first, len(jobs), len(devices))) for first in range(len(devices))]
    done = joblib.Parallel(n_jobs=len(devices))(
        joblib.delayed(_run_share)(function, [jobs[i] for i in share], device)
        for share, device in zip(shares, devices, strict=True)
    )
    results = {
        i: result for share, part in zip(shares, done, strict=True) for i, result in zip(share, part, strict=True)
    }
    return [results[i] for i in range(len(jobs))]


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as CUDA names them, without starting any of them."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    return [str(index) for index, line in enumerate(listed.splitlines()) if line.startswith("GPU ")]


def _run_share(function: Callable[[Job], Result], jobs: Sequence[Job], device: str) -> list[Result]:
    os.environ["CUDA_VISIBLE_DEVICES"] = device  # read when the backend first touches a device
    return [function(job) for job in jobs]
