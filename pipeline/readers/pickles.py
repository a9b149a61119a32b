"""Pickled numpy arrays of any protocol, from Python 2 or 3, without running anything that a pickle asks for.

A pickle is a program. Here the few names that a numpy array needs lead to stand-ins that note what the pickle
says about the array, every other name is refused, and the array is built afterwards from its bytes.
"""

import codecs
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from pipeline.readers.compressed import opened
from pipeline.storage.files import BadInput


class _Refused(Exception):
    pass


class _Dtype:
    """Stands for numpy.dtype."""

    def __init__(self, name: bytes | str, *_: object) -> None:
        self.name, self.byte_order = _text(name), "="

    def __setstate__(self, state: tuple) -> None:
        self.byte_order = _text(state[1])

    def real(self) -> np.dtype:
        kind, size = self.name[:1], self.name[1:]
        if kind not in tuple("biuf") or not size.isdigit():
            raise _Refused(f"an array of dtype {self.name!r}, expected numbers")
        return np.dtype(self.name).newbyteorder(self.byte_order)


class _Array:
    """Stands for numpy.ndarray."""

    def __setstate__(self, state: tuple) -> None:
        _, self.shape, self.dtype, self.is_fortran, self.data = state

    def real(self) -> np.ndarray:
        flat = np.frombuffer(self.data, self.dtype.real())  # a view: large pixels are held once
        return flat.reshape(self.shape, order="F" if self.is_fortran else "C")


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _frombuffer(data: bytes, dtype: _Dtype, shape: tuple[int, ...], order: str) -> _Array:
    array = _Array()
    array.__setstate__((1, shape, dtype, order == "F", data))
    return array


def _encode(text: str | bytearray, encoding: str) -> bytes | bytearray:
    if encoding not in ("latin1", "latin-1"):
        raise _Refused(f"text encoded as {encoding!r}, expected a numpy array")
    return text if isinstance(text, bytearray) else text.encode("latin-1")


def _text(value: bytes | str) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else str(value)


_ADMITTED = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _encode,
}


_PIECE_BYTES = 1 << 20


def _read_latin1(read: Callable[[int], bytes], length_bytes: int) -> bytearray:
    found, end = bytearray(length_bytes), 0  # as Latin-1 no text is longer than as UTF-8
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, length_bytes, _PIECE_BYTES):
        size = min(_PIECE_BYTES, length_bytes - start)
        piece = read(size)
        if len(piece) < size:
            raise EOFError("the text ends too early")
        latin1 = decoder.decode(piece, final=start + size == length_bytes).encode("latin-1")
        found[end : end + len(latin1)] = latin1
        end += len(latin1)
    del found[end:]
    return found


# The unpickler in Python, not the one in C: C copies the bytes of a Python 2 pickle, and half a gigabyte is then
# held twice. An array is a score of opcodes, so nothing is lost.
class _ArrayUnpickler(pickle._Unpickler):
    def load_binunicode(self) -> None:
        # Protocols 1 and 2 of Python 3 hold bytes as text: read whole, text and bytes would both be in memory.
        (length_bytes,) = struct.unpack("<I", self.read(4))
        if length_bytes <= _PIECE_BYTES:
            self.append(str(self.read(length_bytes), "utf-8"))
        else:
            self.append(_read_latin1(self.read, length_bytes))

    dispatch = {  # noqa: RUF012
        **pickle._Unpickler.dispatch,
        pickle.BINUNICODE[0]: load_binunicode,
        # A bytearray is written as bytes are; read as one it would be copied twice more.
        pickle.BYTEARRAY8[0]: pickle._Unpickler.load_binbytes8,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            found = f"{module}.{name}"  # the file's own words: quoted, they cannot break the line
            raise _Refused(f"{found!r}, expected a numpy array and nothing else")
        return _ADMITTED[module, name]


def read_pickle(path: Path) -> np.ndarray:
    """Return the numeric array that a pickle holds, read-only, in its own shape and dtype.

    Raises:
        BadInput: the pickle is truncated or corrupt, or holds anything but one numeric array.
    """
    with opened(path) as stream:
        return _array(path, stream)


def _array(path: Path, stream: IO[bytes]) -> np.ndarray:
    try:
        found = _ArrayUnpickler(stream, encoding="bytes").load()
        if not isinstance(found, _Array):
            raise _Refused(f"a {type(found).__name__}, expected a numpy array")
        return found.real()
    except _Refused as error:
        raise BadInput(f"{path}: the pickle holds {error}") from error
    except MemoryError as error:
        raise BadInput(f"{path}: corrupt, or larger than the memory of this machine") from error
    except OSError:
        raise
    except Exception as error:  # a damaged pickle fails in whatever way its bytes happen to say
        reason = str(error) or type(error).__name__
        raise BadInput(f"{path}: truncated or corrupt pickle ({reason}), expected a numpy array") from error
