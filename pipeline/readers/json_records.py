"""A JSON list of records, each with an image: one list of numbers a channel, such as the two bands of a radar."""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from features.images.layouts import as_images
from pipeline.config.errors import quote
from pipeline.config.schema import Split
from pipeline.readers.array_images import array_images, with_limits
from pipeline.readers.compressed import open_decompressed
from pipeline.readers.csv_table import ID_NAMES, LABEL_NAMES
from pipeline.readers.raw import Form, Raw, tidy
from pipeline.storage.files import BadInput, blame
from pipeline.storage.scratch import on_disk

_PIECE_BYTES = 1 << 20
_LEAST_VALUES = 16  # of a list of numbers that is a channel of an image
_MOST_CHARACTERS = 1 << 28  # of a record
_BETWEEN = re.compile(r"[\s,]*")


def is_json(head: bytes) -> bool:
    """Return whether the first bytes of a file are those of JSON."""
    return re.match(rb"(\xef\xbb\xbf)?\s*[\[{]", head) is not None


def read_json_records(path: Path, split: Split, form: Form, labelled: bool) -> Raw:
    """Return the images, ids and labels of a JSON file. Records are read one by one.

    A list of numbers, or of lists of numbers, is a channel; the channels are in the order of the file. Without declared
    limits they are measured values with robust limits. Other numbers and texts are columns.

    Raises:
        BadInput: the file is no list of such records, a record has other keys than the first one, or it is not clear
            which key is the label.
    """
    ids: list[Any] = []
    labels: list[Any] = []
    with blame(path), open_decompressed(path) as stream:
        records = _records(path, stream)
        first = next(records, None)
        if first is None:
            raise BadInput(f"{path}: an empty list, expected records")
        channels = [key for key, value in first.items() if _is_channel(value)]
        others = [key for key in first if key not in channels]
        if not channels:
            raise BadInput(f"{path}: no list of {_LEAST_VALUES} numbers or more in a record, expected an image")
        id_ = _key(others, split.id_column, ID_NAMES, "id_column")
        label = _label(others, id_, split, labelled)
        columns: dict[str, list[str]] = {
            key: [] for key in others if key not in (id_, label) and isinstance(first[key], str | int | float)
        }

        def rows() -> Iterator[np.ndarray]:
            for number, record in enumerate(_with(first, records)):
                try:
                    ids.append(record[id_] if id_ else number)
                    labels.append(record[label] if label else None)
                    for key, texts in columns.items():
                        texts.append(str(record[key]))
                    yield np.array([[record[key] for key in channels]], np.float32)
                except (KeyError, ValueError, TypeError) as error:
                    raise BadInput(f"{path}: record {number} (counted from 0) is not like the first: {error}") from None

        values = on_disk(_equal_shapes(path, rows()))
        form = form if form.limits is not None or form.scale != 1 else replace(form, limits="robust")
        images = _images(values, form)
        form = with_limits(form, images)
        return Raw(
            array_images(path, images, form),
            ids=tidy(np.array(ids), "id") if id_ else None,
            labels=tidy(np.array(labels), "label") if label else None,
            label_column=quote(label) if label else None,
            form=form,
            columns=pd.DataFrame(columns, dtype=object) if columns else None,
        )


def _images(values: np.ndarray, form: Form) -> np.ndarray:
    """Return values (n, channels, pixels) or (n, channels, height, width) as a view (n, height, width, channels)."""
    if values.ndim == 3:
        count, channels, pixels = values.shape
        grey = as_images(values.reshape(-1, pixels), form.image[:2] if form.image else None)
        values = grey.reshape(count, channels, *grey.shape[1:3])
    return np.moveaxis(values, 1, -1)


def _equal_shapes(path: Path, rows: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    shape = None
    for number, row in enumerate(rows):
        shape = shape or row.shape
        if row.shape != shape:
            raise BadInput(f"{path}: record {number} (counted from 0) has shape {row.shape[1:]}, others {shape[1:]}")
        yield row


def _with(first: dict[str, Any], records: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield first
    yield from records


def _is_channel(value: Any) -> bool:
    while isinstance(value, list) and value and isinstance(value[0], list):
        value = [number for row in value for number in row] if all(isinstance(row, list) for row in value) else None
    return isinstance(value, list) and len(value) >= _LEAST_VALUES and isinstance(value[0], int | float)


def _key(keys: list[str], declared: int | str | None, names: tuple[str, ...], setting: str) -> str | None:
    if declared is not None:
        if declared not in keys:
            raise ValueError(f"{setting} {quote(declared)} is not among the keys {', '.join(map(quote, keys))}")
        return str(declared)
    return next((key for key in keys if key.lower() in names), None)


def _label(keys: list[str], id_: str | None, split: Split, labelled: bool) -> str | None:
    label = _key(keys, split.label_column, LABEL_NAMES, "label_column")
    if label is not None or not labelled:
        return label
    rest = [key for key in keys if key != id_]
    if len(rest) != 1:
        raise ValueError(f"keys {', '.join(map(quote, rest)) or 'none'} may be the label; declare label_column")
    return rest[0]


def _records(path: Path, stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the records of a list without reading all of it at once."""
    decoder, utf8 = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8-sig")()
    text, place, is_open = "", 0, False
    while True:
        piece = stream.read(_PIECE_BYTES)
        text, place = text[place:] + utf8.decode(piece, final=not piece), 0
        if not is_open:
            start = len(text) - len(text.lstrip())
            if text[start : start + 1] not in ("[", ""):
                raise BadInput(
                    f"{path}: a JSON file of another form; expected records [{{...}}, ...], or save it as CSV"
                )
            is_open, place = text[start : start + 1] == "[", start + 1
        while True:
            place = _BETWEEN.match(text, place).end()  # type: ignore[union-attr]  # it matches nothing too
            if text[place : place + 1] == "]":
                return
            try:
                record, place = decoder.raw_decode(text, place)
            except (json.JSONDecodeError, RecursionError) as error:
                if not piece or len(text) - place > _MOST_CHARACTERS or isinstance(error, RecursionError):
                    raise BadInput(f"{path}: truncated or damaged JSON ({error}), expected a list of records") from None
                break
            if not isinstance(record, dict):
                raise BadInput(
                    f"{path}: a JSON file with a list of {type(record).__name__}, expected records [{{...}}, ...]"
                )
            yield record
