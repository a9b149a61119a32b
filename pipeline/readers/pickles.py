"""Pickled NumPy arrays of any protocol, from Python 2 or 3, without running any code that a pickle names.

A pickle is a program. This module runs only the instructions that pickled arrays consist of, and at most
MOST_INSTRUCTIONS. The few names that a NumPy array needs lead to placeholder classes, which record the array's shape,
dtype and bytes. Every other instruction and name is refused. Afterwards the array is created from its bytes.

No value of a pickle is compared, hashed or printed before its type is known: for a tuple of tuples, doubled forty
times, that would take for ever.
"""

import codecs
import pickle
import pickletools
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

from pipeline.config.errors import BadInput, quoted
from pipeline.readers.compressed import open_decompressed

MOST_INSTRUCTIONS = 1000  # an array needs about forty
_TEXT_CHARACTERS = 32
_MOST_AXES = 8
_PIECE_BYTES = 1 << 20


class _Refused(Exception):
    pass


class _Dtype:
    """Placeholder for numpy.dtype."""

    def __init__(self, name: object, *_: object) -> None:
        self.name, self.byte_order = _text(name, "the name of a dtype"), "="
        if self.name[:1] not in tuple("biuf") or not self.name[1:].isdigit():
            raise _Refused(f"an array of dtype {quoted(self.name)}, expected numbers")

    def set_state(self, state: object) -> None:
        self.byte_order = _text(_tuple(state)[1], "a byte order")
        if self.byte_order not in ("<", ">", "=", "|"):
            raise _Refused(f"the byte order {quoted(self.byte_order)}, expected < or >")

    def real(self) -> np.dtype:
        return np.dtype(self.byte_order + self.name)


class _Array:
    """Placeholder for numpy.ndarray."""

    def set_state(self, state: object) -> None:
        _, shape, self.dtype, self.is_fortran, self.data = _tuple(state)
        self.shape = _tuple(shape)
        if len(self.shape) > _MOST_AXES or not all(type(size) is int for size in self.shape):
            raise _Refused("an array whose shape is odd, expected a few whole numbers")
        if type(self.dtype) is not _Dtype or type(self.data) not in (bytes, bytearray):
            raise _Refused("an array without a dtype or without bytes, expected numbers")

    def real(self) -> np.ndarray:
        flat = np.frombuffer(self.data, self.dtype.real())  # a view, so that large arrays are in memory only once
        return flat.reshape(self.shape, order="F" if self.is_fortran else "C")


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _frombuffer(data: object, dtype: object, shape: object, order: object) -> _Array:
    array = _Array()
    array.set_state((1, shape, dtype, _text(order, "an order") == "F", data))
    return array


def _encode(text: object, encoding: object) -> bytes | bytearray:
    name = _text(encoding, "an encoding")
    if name not in ("latin1", "latin-1"):
        raise _Refused(f"text encoded as {quoted(name)}, expected a numpy array")
    if isinstance(text, bytearray):
        return text
    if not isinstance(text, str):
        raise _Refused("no text to encode, expected a numpy array")
    return text.encode("latin-1")


def _text(value: object, noun: str) -> str:
    if not isinstance(value, bytes | str) or len(value) > _TEXT_CHARACTERS:
        raise _Refused(f"{noun} that is no short text, expected a numpy array")
    return value.decode("ascii") if isinstance(value, bytes) else value


def _tuple(value: object) -> tuple:
    if not isinstance(value, tuple):
        raise _Refused(f"a {type(value).__name__} in place of a tuple, expected a numpy array")
    return value


_ADMITTED = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _encode,
}
_CALLABLE = (_Dtype, _reconstruct, _frombuffer, _encode)
_INSTRUCTIONS = {
    *("PROTO", "FRAME", "STOP", "MARK", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
    *("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET"),
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    *("NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONTAINERS = {"DICT": "a dict", "LIST": "a list", "SET": "a set", "FLOAT": "a float"}


def _read_latin1(read: Callable[[int], bytes], length_bytes: int) -> bytearray:
    content, decoder = bytearray(), codecs.getincrementaldecoder("utf-8")()
    for start in range(0, length_bytes, _PIECE_BYTES):
        size = min(_PIECE_BYTES, length_bytes - start)
        piece = read(size)
        if len(piece) < size:
            raise EOFError("the text ends too early")
        content += decoder.decode(piece, final=start + size == length_bytes).encode("latin-1")
    return content


# This is the unpickler in Python instead of the one in C, which copies the bytes of a Python 2 pickle: half a gigabyte
# would then be in memory twice. An array has few instructions, so Python is fast enough.
class _ArrayUnpickler(pickle._Unpickler):
    instructions = 0
    stack: list[Any]
    read: Callable[[int], bytes]
    append: Callable[[object], None]

    def load_binunicode(self) -> None:
        # Protocols 1 and 2 of Python 3 store bytes as text. Read at once, text and bytes would both be in memory.
        (length_bytes,) = struct.unpack("<I", self.read(4))
        if length_bytes <= _PIECE_BYTES:
            self.append(str(self.read(length_bytes), "utf-8"))
        else:
            self.append(_read_latin1(self.read, length_bytes))

    def load_reduce(self) -> None:
        arguments, function = _tuple(self.stack.pop()), self.stack.pop()
        if not any(function is admitted for admitted in _CALLABLE):
            raise _Refused("a call of something else than what makes an array, expected a numpy array")
        self.append(function(*arguments))

    def load_build(self) -> None:
        state, built = self.stack.pop(), self.stack[-1]
        if type(built) not in (_Array, _Dtype):
            raise _Refused(f"a state of a {type(built).__name__}, expected a numpy array")
        built.set_state(state)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            advice = "; save the array with numpy.save" if module.startswith("joblib") else " and nothing else"
            raise _Refused(f"{quoted(f'{module}.{name}')}, expected a numpy array{advice}")
        return _ADMITTED[module, name]


def _counted(load: Callable[[_ArrayUnpickler], None]) -> Callable[[_ArrayUnpickler], None]:
    def load_counted(unpickler: _ArrayUnpickler) -> None:
        unpickler.instructions += 1
        if unpickler.instructions > MOST_INSTRUCTIONS:
            raise _Refused(f"more than {MOST_INSTRUCTIONS} instructions, expected a numpy array")
        load(unpickler)

    return load_counted


def _refusing(name: str) -> Callable[[_ArrayUnpickler], NoReturn]:
    kind = _CONTAINERS.get(name.removeprefix("EMPTY_").removeprefix("BIN"), f"the instruction {name}")

    def refuse(_: _ArrayUnpickler) -> NoReturn:
        raise _Refused(f"{kind}, expected a numpy array")

    return refuse


def _dispatch() -> dict[int, Callable[[_ArrayUnpickler], None]]:
    originals = pickle._Unpickler.dispatch
    loads: dict[int, Callable[..., None]] = {
        **originals,
        pickle.BINUNICODE[0]: _ArrayUnpickler.load_binunicode,
        pickle.BYTEARRAY8[0]: originals[pickle.BINBYTES8[0]],  # as a bytearray it would be copied twice more
        pickle.REDUCE[0]: _ArrayUnpickler.load_reduce,
        pickle.BUILD[0]: _ArrayUnpickler.load_build,
    }
    names = {ord(instruction.code): instruction.name for instruction in pickletools.opcodes}
    return {code: _counted(loads[code]) if name in _INSTRUCTIONS else _refusing(name) for code, name in names.items()}


_ArrayUnpickler.dispatch = _dispatch()  # type: ignore[assignment]  # typeshed wants any Unpickler


def read_pickle(path: Path) -> np.ndarray:
    """Return the numeric array in a pickle, read-only, in its own shape and dtype.

    Raises:
        BadInput: the pickle is truncated or corrupt, or contains anything other than one numeric array.
    """
    with open_decompressed(path) as stream:
        return _array(path, stream)


def _array(path: Path, stream: IO[bytes]) -> np.ndarray:
    try:
        value = _ArrayUnpickler(stream, encoding="bytes").load()
        if not isinstance(value, _Array):
            raise _Refused(f"a {type(value).__name__}, expected a numpy array")
        return value.real()
    except _Refused as error:
        raise BadInput(f"{path}: the pickle holds {error}") from error
    except MemoryError as error:
        raise BadInput(f"{path}: corrupt, or larger than the memory of this machine") from error
    except (OSError, BadInput):
        raise
    except Exception as error:  # a damaged pickle can raise any type of error
        reason = str(error) or type(error).__name__
        raise BadInput(f"{path}: truncated or corrupt pickle ({reason}), expected a numpy array") from error
