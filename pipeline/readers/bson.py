"""BSON files (bsonspec.org, version 1.1) of products with pictures, as cdiscount's: the place of each picture."""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.readers.compressed import check_regular
from pipeline.storage.files import BadInput

_FIXED_BYTES = {0x01: 8, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0xFF: 0, 0x7F: 0}
_DOUBLE, _STRING, _DOCUMENT, _ARRAY, _BINARY, _INT32, _INT64 = 0x01, 0x02, 0x03, 0x04, 0x05, 0x10, 0x12


@dataclass(frozen=True)
class Product:
    """A document: its numbers and texts by key, and the place (start, bytes) of each of its pictures."""

    values: dict[str, int | float | str]
    pictures: list[tuple[int, int]]


def read_products(path: Path) -> Iterator[Product]:
    """Yield the documents of a BSON file in order, without reading their pictures.

    Raises:
        BadInput: the file is truncated or damaged, or a document contains an element of another type.
    """
    check_regular(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = 0
        while start < len(data):
            try:
                values: dict[str, int | float | str] = {}
                pictures: list[tuple[int, int]] = []
                end = _read_document(data, start, values, pictures, depth=0)
            except (struct.error, ValueError, IndexError, KeyError) as error:
                raise BadInput(f"{path}: truncated or damaged BSON at byte {start} ({error})") from None
            yield Product(values, pictures)
            start = end


def _read_document(
    data: mmap.mmap, start: int, values: dict[str, int | float | str], pictures: list[tuple[int, int]], depth: int
) -> int:
    """Add the values of the outermost document, and the pictures of all inside it. Return where the document ends."""
    (size,) = struct.unpack_from("<i", data, start)
    end, place = start + size, start + 4
    if size < 5 or end > len(data) or data[end - 1] != 0 or depth > 8:
        raise ValueError(f"a document of {size} bytes")
    while data[place] != 0:
        kind, name_end = data[place], data.find(b"\0", place + 1, end)
        if name_end < 0:
            raise ValueError("a name without an end")
        name, place = data[place + 1 : name_end].decode("utf-8"), name_end + 1
        if kind in (_DOCUMENT, _ARRAY):
            place = _read_document(data, place, values, pictures, depth + 1)
            continue
        if kind in (_STRING, _BINARY):
            (length,) = struct.unpack_from("<i", data, place)
            place += 4 if kind == _STRING else 5
            if not 0 <= length <= end - place:
                raise ValueError(f"{name!r} of {length} bytes")
            if kind == _BINARY:
                pictures.append((place, length))
            elif not depth:
                values[name] = data[place : place + length - 1].decode("utf-8")
            place += length
            continue
        if not depth and kind in (_DOUBLE, _INT32, _INT64):
            code = {_DOUBLE: "<d", _INT32: "<i", _INT64: "<q"}[kind]
            (values[name],) = struct.unpack_from(code, data, place)
        place += _FIXED_BYTES[kind]
        if place >= end:
            raise ValueError(f"{name!r} beyond its document")
    return end
