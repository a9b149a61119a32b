"""numpy's own files: `.npy` with one array and `.npz` with several."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from pipeline.config.schema import Split
from pipeline.readers.compressed import opened
from pipeline.storage.files import BadInput, blame

LABEL_KEYS = ("y", "label", "labels", "class", "classes", "target", "targets")
ID_KEYS = ("id", "ids")


def read_npy(path: Path) -> np.ndarray:
    """Return the array of a `.npy` file in its own shape and dtype.

    Raises:
        BadInput: the file is truncated or holds Python objects.
    """
    with opened(path) as stream, blame(path):
        return np.lib.format.read_array(stream, allow_pickle=False)


def read_npz(path: Path, split: Split) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Return images (n, ...), labels (n,) or None, and ids (n,) or None of an `.npz` file.

    Raises:
        BadInput: the file is corrupt or holds Python objects, or a key is missing or ambiguous.
    """
    try:
        with np.load(path, allow_pickle=False) as archive, blame(path):
            shapes = {key: _header(archive, key) for key in archive.files}
            images = _images_key(shapes, split.images_key)
            rest = {key: shape for key, shape in shapes.items() if key != images}
            ids = next((key for key in rest if key.lower() in ID_KEYS), None)
            labels = _labels_key({key: shape for key, shape in rest.items() if key != ids}, split.labels_key)
            return archive[images], _optional(archive, labels), _optional(archive, ids)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise BadInput(f"{path}: truncated or corrupt ({error}), expected a whole npz file") from error


def _header(archive: np.lib.npyio.NpzFile, key: str) -> tuple[int, ...]:
    """Return the shape of a member without reading its rows."""
    with archive.zip.open(f"{key}.npy") as member:
        version = np.lib.format.read_magic(member)
        read = {(1, 0): np.lib.format.read_array_header_1_0}.get(version, np.lib.format.read_array_header_2_0)
        return read(member)[0]


def _images_key(shapes: dict[str, tuple[int, ...]], declared: str | None) -> str:
    if declared is not None:
        return _known(shapes, declared, "images_key")
    candidates = [key for key, shape in shapes.items() if len(shape) >= 2]
    if len(candidates) != 1:
        raise ValueError(f"{len(candidates)} arrays may be the images ({_names(shapes)}); declare images_key")
    return candidates[0]


def _labels_key(shapes: dict[str, tuple[int, ...]], declared: str | None) -> str | None:
    if declared is not None:
        return _known(shapes, declared, "labels_key")
    candidates = [key for key in shapes if key.lower() in LABEL_KEYS]
    candidates = candidates or [key for key, shape in shapes.items() if len(shape) == 1]
    if len(candidates) > 1:
        raise ValueError(f"{', '.join(candidates)} may each be the labels; declare labels_key")
    return candidates[0] if candidates else None


def _known(shapes: dict[str, tuple[int, ...]], key: str, setting: str) -> str:
    if key not in shapes:
        raise ValueError(f"{setting} {key!r} is not in the file, which holds {_names(shapes)}")
    return key


def _names(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{key} {shape}" for key, shape in shapes.items()) or "nothing"


def _optional(archive: np.lib.npyio.NpzFile, key: str | None) -> np.ndarray | None:
    return None if key is None else archive[key]
