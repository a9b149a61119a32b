"""PyTorch's weights in Keras's networks: the file, the layout, and features as PyTorch computes them."""

import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from keras import ops

from models.backbones import efficientnet_lite
from models.backbones.families import family
from models.backbones.torch_file import load_tensors
from models.backbones.weights import load

SIDE = 36  # even, so that padding on one side and on both sides differ
LITE0 = [  # blocks, kernel, stride, expansion, filters; from the paper's table, with the fixed stem of Lite
    *((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80)),
    *((3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
]
MOBILENET_V2 = [  # from the paper's table 2
    *((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (3, 3, 2, 6, 32), (4, 3, 2, 6, 64)),
    *((3, 3, 1, 6, 96), (3, 3, 2, 6, 160), (1, 3, 1, 6, 320)),
]


class Network:
    """Random weights in PyTorch's layout, and the features that they mean, computed layer by layer with NumPy."""

    def __init__(self, stages, epsilon, pads_both_sides):
        self.rng, self.tensors, self.calls = np.random.default_rng(0), {}, []
        self.epsilon, self.pads_both_sides = epsilon, pads_both_sides
        self.convolution(32, 3, 3, 2)
        channels = 32
        for blocks, kernel, stride, expansion, filters in stages:
            for index in range(blocks):
                first_call, wide = len(self.calls), expansion * channels
                if expansion > 1:
                    self.convolution(wide, channels, 1)
                self.convolution(wide, 1, kernel, stride if index == 0 else 1)
                self.convolution(filters, wide, 1, is_linear=True)
                self.calls[first_call] |= {"saves": index > 0}
                self.calls[-1] |= {"adds": index > 0}
                channels = filters
        self.convolution(1280, channels, 1)

    def convolution(self, filters, inputs, kernel, stride=1, is_linear=False):
        name, normal = f"layer{len(self.calls):03}", self.rng.normal
        self.tensors |= {
            f"{name}.conv.weight": normal(0, (2 / inputs / kernel**2) ** 0.5, (filters, inputs, kernel, kernel)),
            f"{name}.norm.weight": normal(1, 0.1, filters),
            f"{name}.norm.bias": normal(0, 0.1, filters),
            f"{name}.norm.running_mean": normal(0, 0.1, filters),
            f"{name}.norm.running_var": self.rng.uniform(0.5, 1.5, filters),
            f"{name}.norm.num_batches_tracked": np.array(7),
        }
        self.calls.append({"name": name, "stride": stride, "is_linear": is_linear})

    def features(self, images):
        x, saved = images.transpose(0, 3, 1, 2).astype(float), None
        for call in self.calls:
            saved = x if call.get("saves") else saved
            x = self.convolved(x, self.tensors[f"{call['name']}.conv.weight"], call["stride"])
            weight, bias, mean, variance = (
                self.tensors[f"{call['name']}.norm.{kind}"][:, None, None]
                for kind in ("weight", "bias", "running_mean", "running_var")
            )
            x = (x - mean) / np.sqrt(variance + self.epsilon) * weight + bias
            x = x if call["is_linear"] else np.clip(x, 0, 6)
            x = x + saved if call.get("adds") else x
        return x.mean(axis=(2, 3))

    def convolved(self, x, weight, stride):
        kernel, side = weight.shape[2], x.shape[2]
        missing = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        before = kernel // 2 if self.pads_both_sides else missing // 2
        after = kernel // 2 if self.pads_both_sides else missing - missing // 2
        padded = np.pad(x, ((0, 0), (0, 0), (before, after), (before, after)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(2, 3))
        windows = windows[:, :, ::stride, ::stride]
        if weight.shape[1] == 1:
            return np.einsum("nchwij,cij->nchw", windows, weight[:, 0])
        return np.einsum("nchwij,ocij->nohw", windows, weight, optimize=True)


@pytest.mark.parametrize(
    ("name", "stages", "epsilon", "pads_both_sides"),
    [
        ("efficientnet_lite0", LITE0, efficientnet_lite.EPSILON, False),
        ("torch_mobilenetv2", MOBILENET_V2, 1e-5, True),
    ],
)
def test_features_are_those_of_pytorch(name, stages, epsilon, pads_both_sides, tmp_path):
    original = Network(stages, epsilon, pads_both_sides)
    path = tmp_path / "weights.pth"
    write_zip(path, {key: value.astype(np.float32) for key, value in original.tensors.items()})
    images = np.random.default_rng(1).normal(size=(2, SIDE, SIDE, 3)).astype("float32")
    features = ops.convert_to_numpy(load(family(name), str(path), (SIDE, SIDE, 3))(images))
    expected = original.features(images)
    assert features.shape == (2, 1280) and expected.std() > 0.01
    assert np.allclose(features, expected, atol=1e-4)


def test_both_formats_keep_strides_and_offsets(tmp_path):
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    tensors = {"a.weight": values.transpose(2, 0, 1), "b.weight": values[1], "count": np.array(3)}
    for write in (write_zip, write_old):
        write(tmp_path / "file.pt", tensors)
        loaded = load_tensors(tmp_path / "file.pt")
        assert list(loaded) == list(tensors)
        assert all(np.array_equal(loaded[name], tensors[name]) for name in tensors)
        assert [tensor.dtype for tensor in loaded.values()] == [np.float32, np.float32, np.int64]


def test_a_file_that_names_anything_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.pt", "w") as archive:
        archive.writestr("bad/data.pkl", b"cposix\nsystem\n(S'touch bad'\ntR.")
    with pytest.raises(ValueError, match=r"posix\.system in the file, expected a dict of tensors"):
        load_tensors(tmp_path / "bad.pt")


def test_a_tensor_never_reaches_beyond_its_numbers(tmp_path):
    write_zip(tmp_path / "short.pt", {"a.weight": np.zeros((2, 3), np.float32)}, lost_bytes=4)
    with pytest.raises(ValueError, match="a tensor with 6 numbers, of which the file has 5"):
        load_tensors(tmp_path / "short.pt")


def test_weights_of_another_network_are_one_sentence(tmp_path):
    write_zip(tmp_path / "w.pth", {"features.0.weight": np.zeros((2, 3, 1, 1), np.float32)})
    with pytest.raises(ValueError, match=r"w\.pth is no weights file of efficientnet_lite0.*: 1 layers in the file"):
        load(family("efficientnet_lite0"), str(tmp_path / "w.pth"), (32, 32, 3))


# PyTorch's own writer is not installed: these functions write what it writes.


class Storage:
    def __init__(self, key, array):
        self.key, self.array = key, array


def rebuild(*_):
    raise AssertionError


class Tensor:
    def __init__(self, storage, offset, array):
        self.storage, self.offset, self.array = storage, offset, array

    def __reduce__(self):
        strides = tuple(stride // self.array.itemsize for stride in self.array.strides)
        return rebuild, (self.storage, self.offset, self.array.shape, strides, False, OrderedDict())


def pickled(tensors):
    """Return the pickle of a state dict, and its storages by key."""
    storages, entries = {}, OrderedDict()
    for name, array in tensors.items():
        owner = array if array.base is None else array.base
        offset = (array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]) // array.itemsize
        storage = storages.setdefault(str(id(owner)), Storage(str(id(owner)), owner))
        entries[name] = Tensor(storage, offset, array)
    entries._metadata = {"": {"version": 1}}
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    kinds = {np.dtype(np.float32): "FloatStorage", np.dtype(np.int64): "LongStorage"}
    for kind in kinds.values():
        setattr(torch, kind, type(kind, (), {"__module__": "torch", "__qualname__": kind}))
    utils._rebuild_tensor_v2 = rebuild
    rebuild.__module__, rebuild.__qualname__, rebuild.__name__ = "torch._utils", *["_rebuild_tensor_v2"] * 2
    buffer = io.BytesIO()

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if isinstance(value, Storage):
                kind = getattr(torch, kinds[value.array.dtype])
                return ("storage", kind, value.key, "cpu", value.array.size)
            return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch", torch)
        patch.setitem(sys.modules, "torch._utils", utils)
        Pickler(buffer, protocol=2).dump(entries)
    return buffer.getvalue(), storages


def write_zip(path, tensors, lost_bytes=0):
    program, storages = pickled(tensors)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        for key, storage in storages.items():
            content = storage.array.tobytes()
            archive.writestr(f"archive/data/{key}", content[: len(content) - lost_bytes])


def write_old(path, tensors):
    program, storages = pickled(tensors)
    header = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    with path.open("wb") as file:
        for value in header:
            pickle.dump(value, file, protocol=2)
        file.write(program)
        pickle.dump(list(storages), file, protocol=2)
        for storage in storages.values():
            file.write(storage.array.size.to_bytes(8, "little") + storage.array.tobytes())
