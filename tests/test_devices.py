"""GPUs by a fake `nvidia-smi`: which backend is selected, what a stage prints, shares of memory."""

import importlib.metadata
import json
import subprocess
import sys

import pytest

from pipeline.config.schema import Member
from pipeline.running import devices
from pipeline.storage.files import BadInput
from pipeline.storage.paths import PARAMS
from pipeline.training.data_parallel import parallel
from pipeline.training.device_memory import full_memory, with_fitting_batch
from tests.needs import write_nvidia_smi
from tests.projects import environment, member

H200 = "GPU 0: NVIDIA H200 (UUID: GPU-5a)"
A100S = "GPU 0: NVIDIA A100 (UUID: GPU-1)\n  MIG 1g.5gb Device 0: (UUID: MIG-1)\nGPU 1: NVIDIA A100 (UUID: GPU-2)"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that gives this machine GPUs, and JAX a plugin for them."""
    for name in ("CUDA_VISIBLE_DEVICES", "KERAS_BACKEND", "JAX_PLATFORMS"):
        monkeypatch.delenv(name, raising=False)

    def set_up(listed=None, has_plugin=False):
        plugins = [importlib.metadata.EntryPoint("xla_cuda12", "jax_plugins.xla_cuda12", "jax_plugins")]
        monkeypatch.setattr(devices, "entry_points", lambda group: plugins if has_plugin else [])
        if listed is not None:
            write_nvidia_smi(tmp_path, listed)
        monkeypatch.setenv("PATH", str(tmp_path))
        devices.installed_gpus.cache_clear()

    yield set_up
    devices.installed_gpus.cache_clear()


def test_without_nvidia_smi_there_is_no_gpu_and_no_process_starts(machine, monkeypatch):
    machine(has_plugin=True)
    monkeypatch.setattr(subprocess, "run", pytest.fail)
    assert (devices.installed_gpus(), devices.visible_gpus(), devices.backend_for_gpus()) == ([], [], {})
    assert devices.unused_gpu("tensorflow", is_on_gpu=False) == ""


@pytest.mark.parametrize(
    ("listed", "names", "visible"),
    [(H200, ["NVIDIA H200"], ["0"]), (A100S, ["NVIDIA A100"] * 2, ["0", "1"]), ("No devices found.", [], [])],
)
def test_gpus_are_those_of_nvidia_smi(machine, listed, names, visible):
    machine(listed)
    assert devices.installed_gpus() == names
    assert devices.visible_gpus() == visible


@pytest.mark.parametrize(
    ("has_plugin", "variables", "selected"),
    [
        (True, {}, {"KERAS_BACKEND": "jax"}),
        (False, {}, {}),
        (True, {"KERAS_BACKEND": "tensorflow"}, {}),
        (True, {"CUDA_VISIBLE_DEVICES": ""}, {}),
    ],
)
def test_jax_is_selected_if_it_can_use_a_gpu_and_nobody_chose(machine, monkeypatch, has_plugin, variables, selected):
    machine(H200, has_plugin)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert devices.backend_for_gpus() == selected


@pytest.mark.parametrize(
    ("backend", "has_plugin", "line"),
    [
        ("tensorflow", False, "TensorFlow finds no GPU; type {python} -m pip install 'jax[cuda12]'"),
        ("jax", False, "JAX finds no GPU; type {python} -m pip install 'jax[cuda12]'"),
        ("tensorflow", True, "TensorFlow finds no GPU; type unset KERAS_BACKEND"),
        ("jax", True, "JAX finds no GPU; type {python} -c 'import jax; jax.devices(\"cuda\")', which shows the reason"),
    ],
)
def test_an_unused_gpu_has_a_line_to_type(machine, monkeypatch, backend, has_plugin, line):
    machine(H200, has_plugin)
    sentence = f"NVIDIA H200 is not used, because {line.format(python=sys.executable)}"
    assert devices.unused_gpu(backend, is_on_gpu=False) == sentence
    assert devices.unused_gpu(backend, is_on_gpu=True) == ""
    for name in ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS"):
        with monkeypatch.context() as wish:
            wish.setenv(name, "" if name.startswith("CUDA") else "cpu")
            assert devices.unused_gpu(backend, is_on_gpu=False) == "", f"{name} is a choice"


def test_processes_on_the_same_gpu_share_its_memory(machine):
    machine(A100S)
    assert devices.gpu_environments(2) == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]
    five = devices.gpu_environments(5)
    assert [variables["CUDA_VISIBLE_DEVICES"] for variables in five] == ["0", "1", "0", "1", "0"]
    assert {variables["XLA_PYTHON_CLIENT_MEM_FRACTION"] for variables in five} == {"0.300"}


class ResourceExhaustedError(Exception):
    """Stands for TensorFlow's error of this name."""


class OutOfMemoryError(RuntimeError):
    """Stands for PyTorch's error of this name."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ResourceExhaustedError("OOM when allocating tensor"), True),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes."), True),
        (RuntimeError("INTERNAL: a bug"), False),
    ],
)
def test_errors_of_full_memory(error, expected):
    assert devices.is_out_of_memory(error) == expected


class Device:
    """A device whose memory is full with more than `limit` images."""

    def __init__(self, limit, error):
        self.limit, self.error, self.sizes = limit, error, []

    def train_step(self, size):
        self.sizes.append(size)
        if size > self.limit:
            raise self.error
        return "done"


FULL = ResourceExhaustedError("OOM when allocating tensor")


@pytest.mark.parametrize(
    ("limit", "size", "tried"), [(500, 500, [500]), (499, 250, [500, 250]), (90, 62, [500, 250, 125, 62])]
)
def test_a_batch_is_halved_until_it_fits(limit, size, tried):
    device = Device(limit, FULL)
    assert with_fitting_batch(500, device.train_step) == (size, "done")
    assert device.sizes == tried


def test_a_batch_that_never_fits_or_meets_a_bug_ends_in_its_own_error():
    with pytest.raises(ResourceExhaustedError):
        with_fitting_batch(4, Device(0, FULL).train_step)
    bug = Device(0, ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        with_fitting_batch(4, bug.train_step)
    assert bug.sizes == [4]


@pytest.mark.slow
def test_the_sentence_names_a_batch_size_that_fits():
    sentence = "members.m.training.batch_size: 96 images do not fit into the memory of the device, 24 do"
    assert str(full_memory("members.m.training.batch_size", 96, Device(30, FULL).train_step)) == sentence
    assert "not even one image fits" in str(full_memory("batch_size", 96, Device(0, FULL).train_step))


@pytest.mark.parametrize(
    "way", [pytest.param("by_keras", marks=pytest.mark.slow), pytest.param("on_device", marks=pytest.mark.nightly)]
)
def test_two_devices_train_as_one_does(tmp_path, way):
    inherited = {name: value for name, value in environment().items() if not name.startswith("JAX_")}
    variables = inherited | {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    command = [sys.executable, "-m", "tests.parallel_fold", way]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    assert (results["devices of the weights"], results["scope after"]) == ([1, 2], False)
    assert results["learnt"] > 0.01
    assert results["history"] < 1e-5
    assert results["weights"] < 1e-3  # Adam turns the rounding of small gradients into whole steps
    assert results["odd"].endswith("members.odd.training.batch_size: 15, expected a multiple of the 2 devices")


@pytest.mark.parametrize(
    ("backend", "found", "sentence"),
    [
        (
            "tensorflow",
            ["cpu:0"],
            "'all' works with jax alone, not with tensorflow; set KERAS_BACKEND=jax",
        ),
        ("jax", ["gpu:0"], "'all' needs several devices, but JAX finds only gpu:0"),
    ],
)
def test_all_devices_need_jax_and_several(monkeypatch, backend, found, sentence):
    monkeypatch.setattr("keras.backend.backend", lambda: backend)
    monkeypatch.setattr("keras.distribution.list_devices", lambda: found)
    entry = Member.model_validate(member("blobs", devices="all"))
    with pytest.raises(BadInput) as refusal:
        parallel(entry, "m", 16)
    assert str(refusal.value).startswith(f"{PARAMS}: members.m.devices: {sentence}")
