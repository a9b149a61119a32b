"""The values of a pickle of any protocol, from Python 2 or 3, without running any code that it names.

A pickle can contain one array, or a dict, list or tuple of arrays and of lists of numbers or texts, as CIFAR's batches.
A pickle is a program. This module runs only the instructions that these consist of, and at most MOST_INSTRUCTIONS.
The few names that a NumPy array needs lead to placeholder classes, which record the array's shape, dtype and bytes.
Every other instruction and name is refused. Afterwards the array is created from its bytes.

No value of a pickle is compared, hashed or printed before its type is known: for a tuple of tuples, doubled forty
times, that would take for ever.
"""

import codecs
import pickle
import pickletools
import struct
import sys
from collections.abc import Callable, Iterator
from typing import IO, Any, NoReturn

import numpy as np

from pipeline.config.errors import quote
from pipeline.storage.scratch import bytes_on_disk, on_disk

MOST_INSTRUCTIONS = 2_000_000  # an array needs about forty, a number or a text of a list one or two
_MOST_CALLS = 1000  # an array needs about three
MOST_ARRAYS = 100
_TEXT_CHARACTERS = 32
_MOST_AXES = 8
_PIECE_BYTES = 1 << 20


class Refused(Exception):
    """A pickle contains something else than arrays. The message says what."""


class _Dtype:
    """Placeholder for numpy.dtype."""

    def __init__(self, name: object, *_: object) -> None:
        self.name, self.byte_order = _text(name, "the name of a dtype"), "="
        if self.name[:1] not in tuple("biuf") or not self.name[1:].isdigit():
            raise Refused(f"an array of dtype {quote(self.name)}, expected numbers")

    def set_state(self, state: object) -> None:
        self.byte_order = _text(_tuple(state)[1], "a byte order")
        if self.byte_order not in ("<", ">", "=", "|"):
            raise Refused(f"the byte order {quote(self.byte_order)}, expected < or >")

    def real(self) -> np.dtype:
        return np.dtype(self.byte_order + self.name)


class PickledArray:
    """Placeholder for numpy.ndarray."""

    def set_state(self, state: object) -> None:
        _, shape, self.dtype, self.is_fortran, self.data = _tuple(state)
        self.shape = _tuple(shape)
        if len(self.shape) > _MOST_AXES or not all(type(size) is int for size in self.shape):
            raise Refused("an array whose shape is odd, expected a few whole numbers")
        if type(self.dtype) is not _Dtype or not isinstance(self.data, bytes | np.ndarray):
            raise Refused("an array without a dtype or without bytes, expected numbers")

    def real(self) -> np.ndarray:
        flat = np.frombuffer(self.data, self.dtype.real())  # a view, as large arrays are on disk
        return flat.reshape(self.shape, order="F" if self.is_fortran else "C")


def _reconstruct(*_: object) -> PickledArray:
    return PickledArray()


def _frombuffer(data: object, dtype: object, shape: object, order: object) -> PickledArray:
    array = PickledArray()
    array.set_state((1, shape, dtype, _text(order, "an order") == "F", data))
    return array


def _encode(text: object, encoding: object) -> bytes | np.ndarray:
    name = _text(encoding, "an encoding")
    if name not in ("latin1", "latin-1"):
        raise Refused(f"text encoded as {quote(name)}, expected a numpy array")
    if isinstance(text, np.ndarray):  # a long one, encoded already
        return text
    if not isinstance(text, str):
        raise Refused("no text to encode, expected a numpy array")
    return text.encode("latin-1")


def _text(value: object, noun: str) -> str:
    if not isinstance(value, bytes | str) or len(value) > _TEXT_CHARACTERS:
        raise Refused(f"{noun} that is no short text, expected a numpy array")
    return value.decode("ascii") if isinstance(value, bytes) else value


def _tuple(value: object) -> tuple:
    if not isinstance(value, tuple):
        raise Refused(f"a {type(value).__name__} in place of a tuple, expected a numpy array")
    return value


_ADMITTED = {
    ("numpy", "ndarray"): PickledArray,
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
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "LIST", "APPEND", "APPENDS"),
    *("EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"),
    *("NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_OTHERS = {"SET": "a set", "FLOAT": "a float"}


def _list(value: object) -> list:
    if type(value) is not list:
        raise Refused(f"a {type(value).__name__} in place of a list, expected numpy arrays")
    return value


def _with_items(value: object, items: list) -> dict:
    """Add keys and values in turn to a dict. A key must be a text or a number, since hashing others may take for ever.

    The key `b"data"` of Python 2 becomes the text `data`.
    """
    if type(value) is not dict or len(items) % 2:
        raise Refused(f"a {type(value).__name__} in place of a dict, expected numpy arrays")
    for key, item in zip(items[::2], items[1::2], strict=True):
        if type(key) not in (str, bytes, int):
            raise Refused(f"a {type(key).__name__} as a key, expected a text or a number")
        value[key.decode("latin-1") if type(key) is bytes else str(key)] = item
    if len(value) > MOST_ARRAYS:
        raise Refused(f"more than {MOST_ARRAYS} keys, expected a few numpy arrays")
    return value


def _latin1_pieces(read: Callable[[int], bytes], length_bytes: int) -> Iterator[np.ndarray]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, length_bytes, _PIECE_BYTES):
        size = min(_PIECE_BYTES, length_bytes - start)
        piece = read(size)
        if len(piece) < size:
            raise EOFError("the text ends too early")
        text = decoder.decode(piece, final=start + size == length_bytes)
        yield np.frombuffer(text.encode("latin-1"), np.uint8)


# This is the unpickler in Python instead of the one in C, which reads the bytes of an array at once. Here they go to a
# file. An array has few instructions, so Python is fast enough.
class _ArrayUnpickler(pickle._Unpickler):
    instructions = calls = 0
    stack: list[Any]
    read: Callable[[int], bytes]
    append: Callable[[object], None]

    def load_binunicode(self) -> None:
        # Protocols 1 and 2 of Python 3 store bytes as text.
        (length_bytes,) = struct.unpack("<I", self.read(4))
        if length_bytes <= _PIECE_BYTES:
            self.append(str(self.read(length_bytes), "utf-8"))
        else:
            self.append(on_disk(_latin1_pieces(self.read, length_bytes)))

    def load_binbytes(self) -> None:
        self._load_bytes(*struct.unpack("<I", self.read(4)))

    def load_binbytes8(self) -> None:
        self._load_bytes(*struct.unpack("<Q", self.read(8)))

    def load_binstring(self) -> None:
        self._load_bytes(*struct.unpack("<i", self.read(4)))

    def _load_bytes(self, length_bytes: int) -> None:
        if not 0 <= length_bytes <= sys.maxsize:
            raise Refused(f"{length_bytes} bytes, expected a numpy array")
        data = self.read(length_bytes) if length_bytes <= _PIECE_BYTES else bytes_on_disk(self.read, length_bytes)
        if len(data) < length_bytes:
            raise EOFError("the bytes end too early")
        self.append(data)

    def load_reduce(self) -> None:
        arguments, function = _tuple(self.stack.pop()), self.stack.pop()
        self.calls += 1
        if self.calls > _MOST_CALLS:
            raise Refused(f"more than {_MOST_CALLS} calls, expected a few numpy arrays")
        if not any(function is legal for legal in _CALLABLE):
            raise Refused("a call of something else than what makes an array, expected a numpy array")
        self.append(function(*arguments))

    def load_dict(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]  # not in typeshed
        self.append(_with_items({}, items))

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _with_items(self.stack[-1], [key, value])

    def load_setitems(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]  # not in typeshed
        _with_items(self.stack[-1], items)

    def load_append(self) -> None:
        value = self.stack.pop()
        _list(self.stack[-1]).append(value)

    def load_appends(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]  # not in typeshed
        _list(self.stack[-1]).extend(items)

    def load_build(self) -> None:
        state, built = self.stack.pop(), self.stack[-1]
        if type(built) not in (PickledArray, _Dtype):
            raise Refused(f"a state of a {type(built).__name__}, expected a numpy array")
        built.set_state(state)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            advice = "; save the array with numpy.save" if module.startswith("joblib") else " and nothing else"
            raise Refused(f"{quote(f'{module}.{name}')}, expected a numpy array{advice}")
        return _ADMITTED[module, name]


def _counted(load: Callable[[_ArrayUnpickler], None]) -> Callable[[_ArrayUnpickler], None]:
    def load_counted(unpickler: _ArrayUnpickler) -> None:
        unpickler.instructions += 1
        if unpickler.instructions > MOST_INSTRUCTIONS:
            raise Refused(f"more than {MOST_INSTRUCTIONS} instructions, expected a numpy array")
        load(unpickler)

    return load_counted


def _refusing(name: str) -> Callable[[_ArrayUnpickler], NoReturn]:
    kind = _OTHERS.get(name.removeprefix("EMPTY_").removeprefix("BIN"), f"the instruction {name}")

    def refuse(_: _ArrayUnpickler) -> NoReturn:
        raise Refused(f"{kind}, expected a numpy array")

    return refuse


def _dispatch() -> dict[int, Callable[[_ArrayUnpickler], None]]:
    originals = pickle._Unpickler.dispatch
    loads: dict[int, Callable[..., None]] = {
        **originals,
        pickle.BINUNICODE[0]: _ArrayUnpickler.load_binunicode,
        pickle.BINBYTES[0]: _ArrayUnpickler.load_binbytes,
        pickle.BINBYTES8[0]: _ArrayUnpickler.load_binbytes8,
        pickle.BYTEARRAY8[0]: _ArrayUnpickler.load_binbytes8,
        pickle.BINSTRING[0]: _ArrayUnpickler.load_binstring,
        pickle.REDUCE[0]: _ArrayUnpickler.load_reduce,
        pickle.BUILD[0]: _ArrayUnpickler.load_build,
        pickle.DICT[0]: _ArrayUnpickler.load_dict,
        pickle.SETITEM[0]: _ArrayUnpickler.load_setitem,
        pickle.SETITEMS[0]: _ArrayUnpickler.load_setitems,
        pickle.APPEND[0]: _ArrayUnpickler.load_append,
        pickle.APPENDS[0]: _ArrayUnpickler.load_appends,
    }
    names = {ord(instruction.code): instruction.name for instruction in pickletools.opcodes}
    return {code: _counted(loads[code]) if name in _INSTRUCTIONS else _refusing(name) for code, name in names.items()}


_ArrayUnpickler.dispatch = _dispatch()  # type: ignore[assignment]  # typeshed wants any Unpickler


def unpickled(stream: IO[bytes]) -> object:
    """Return the value of a pickle: a PickledArray, or a container of those, numbers and texts.

    Raises:
        Refused: the pickle contains anything else.
        Exception: of any type, because a damaged pickle can raise any.
    """
    return _ArrayUnpickler(stream, encoding="bytes").load()
