"""The tensors of a file that `torch.save` wrote, without PyTorch.

Such a file is a pickle, and a pickle is a program. This module runs only the instructions that a dict of tensors needs:
every other name in the file is refused. Both formats are read: the zip, and the one before PyTorch 1.6.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "|b1",
}
HEADER_PICKLES = 3  # of the old format: a magic number, the version of the protocol, and sizes of types


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def load_tensors(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a state dict by name, in the file's order.

    Raises:
        ValueError: the file contains something else than a dict of tensors.
        Exception: of any type, because a damaged pickle can raise any.
    """
    with path.open("rb") as file:
        load = _load_zip if zipfile.is_zipfile(file) else _load_old
        file.seek(0)
        tensors, values = load(file)
    if not isinstance(tensors, dict) or not all(isinstance(tensor, _Tensor) for tensor in tensors.values()):
        raise ValueError("no state dict, expected a dict of tensors")
    return {str(name): _array(tensor, values[tensor.storage.key]) for name, tensor in tensors.items()}


def _load_zip(file: IO[bytes]) -> tuple[Any, dict[str, np.ndarray]]:
    unpickler: _Unpickler
    with zipfile.ZipFile(file) as archive:
        program = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        with archive.open(program) as pickled:
            unpickler = _Unpickler(pickled)
            value = unpickler.load()
        folder = program.removesuffix("data.pkl") + "data"
        return value, {
            key: np.frombuffer(archive.read(f"{folder}/{key}"), storage.dtype)
            for key, storage in unpickler.storages.items()
        }


def _load_old(file: IO[bytes]) -> tuple[Any, dict[str, np.ndarray]]:
    for _ in range(HEADER_PICKLES):
        _Unpickler(file).load()
    unpickler = _Unpickler(file)
    value, values = unpickler.load(), {}
    for key in _Unpickler(file).load():
        size, dtype = int.from_bytes(file.read(8), "little"), unpickler.storages[key].dtype
        values[key] = np.frombuffer(file.read(size * dtype.itemsize), dtype)
    return value, values


def _array(tensor: _Tensor, values: np.ndarray) -> np.ndarray:
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True))
    if min((tensor.offset, *tensor.shape, *tensor.strides)) < 0 or last >= len(values):
        raise ValueError(f"a tensor with {last + 1} numbers, of which the file has {len(values)}")
    steps = [stride * values.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, steps).copy()


def _tensor(storage: _Storage, offset: int, shape: tuple, strides: tuple, *_: object) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


def _parameter(data: _Tensor, *_: object) -> _Tensor:
    return data


ADMITTED: dict[tuple[str, str], Callable] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in DTYPES:
            return np.dtype(DTYPES[name])
        if (module, name) not in ADMITTED:
            raise ValueError(f"{module}.{name} in the file, expected a dict of tensors and nothing else")
        return ADMITTED[module, name]

    def persistent_load(self, saved_id: Any) -> _Storage:
        _, dtype, key, *_ = saved_id
        return self.storages.setdefault(key, _Storage(key, dtype))
