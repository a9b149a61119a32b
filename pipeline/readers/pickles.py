"""Pickled NumPy arrays: one alone, or several in a dict, list or tuple."""

from pathlib import Path
from typing import IO

import numpy as np

from pipeline.readers.compressed import open_decompressed
from pipeline.readers.named_arrays import shape_list
from pipeline.readers.unpickling import MOST_ARRAYS, PickledArray, Refused, unpickled
from pipeline.storage.files import BadInput
from pipeline.storage.scratch import on_disk


def read_pickle(path: Path) -> np.ndarray:
    """Return the only array in a pickle, read-only, in its own shape and dtype.

    Raises:
        BadInput: from `read_pickled_arrays`, or the pickle contains several arrays.
    """
    arrays = read_pickled_arrays(path)
    if len(arrays) != 1:
        shapes = shape_list({name: array.shape for name, array in arrays.items()})
        raise BadInput(f"{path}: the pickle holds {len(arrays)} arrays ({shapes}), expected one")
    return next(iter(arrays.values()))


def read_pickled_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays in a pickle by name, read-only, in their own shapes and dtypes.

    A dict's arrays have its keys as names, those of a tuple or a list their positions, `0` or in nested ones `0.1`.
    A list of whole numbers or of texts is an array (n,). What else a dict contains is left out.

    Raises:
        BadInput: the pickle is truncated or corrupt, or contains anything else, or no array.
    """
    with open_decompressed(path) as stream:
        return _arrays(path, stream)


def _arrays(path: Path, stream: IO[bytes]) -> dict[str, np.ndarray]:
    try:
        value = unpickled(stream)
        arrays = _named(value)
        if not arrays:
            raise Refused(f"a {type(value).__name__} without arrays, expected a numpy array")
        return arrays
    except Refused as error:
        raise BadInput(f"{path}: the pickle holds {error}") from error
    except MemoryError as error:
        raise BadInput(f"{path}: corrupt, or larger than the memory of this machine") from error
    except (OSError, BadInput):
        raise
    except Exception as error:  # a damaged pickle can raise any type of error
        reason = str(error) or type(error).__name__
        raise BadInput(f"{path}: truncated or corrupt pickle ({reason}), expected a numpy array") from error


def _named(value: object, names: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Return the arrays inside a value of a pickle. Those in containers deeper than two are left out."""
    array = _array(value)
    if array is not None:
        return {".".join(names) or "array": array}
    if not isinstance(value, dict | list | tuple) or len(names) == 2:
        return {}
    parts = value if isinstance(value, dict) else dict(enumerate(value[:MOST_ARRAYS]))
    return {name: array for key, part in parts.items() for name, array in _named(part, (*names, str(key))).items()}


def _array(value: object) -> np.ndarray | None:
    """Return an array, or a list of whole numbers, texts or arrays of one shape as an array, else None."""
    if isinstance(value, PickledArray):
        return value.real()
    if not isinstance(value, list) or not value:
        return None
    types = set(map(type, value))
    if types <= {int, bool}:
        return np.array(value, np.int64)
    if types <= {str, bytes}:
        return np.array([text.decode("utf-8") if isinstance(text, bytes) else text for text in value])
    if types == {PickledArray} and len({item.real().shape for item in value}) == 1:
        return _stack([item.real() for item in value])
    return None


def _stack(arrays: list[np.ndarray]) -> np.ndarray:
    dtype = np.result_type(*arrays)
    return on_disk(array[np.newaxis].astype(dtype) for array in arrays)
