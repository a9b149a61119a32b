"""A CSV with one image in each row, with or without header, id and label."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from features.images.layouts import as_images, colour_layout
from features.images.pixels import to_pixels
from pipeline.config.errors import quote
from pipeline.config.schema import Split
from pipeline.readers.array_images import array_images
from pipeline.readers.columns import Columns, image_columns
from pipeline.readers.csv_pixel_cells import pixel_cell, read_csv_pixel_cells
from pipeline.readers.csv_table import Table, column_text, named_texts, read_chunks, sniff
from pipeline.readers.raw import Form, Raw, tidy, tidy_labels
from pipeline.storage.files import blame
from pipeline.storage.scratch import on_disk


def read_csv_pixels(path: Path, split: Split, form: Form, labelled: bool) -> Raw:
    """Return the images, ids, labels and other columns of a CSV. Pixels are in the order of the columns.

    If `labelled`, the table must have a label column, even if no column name says which one.

    Raises:
        BadInput: a pixel is missing, not numeric or outside 0..255, a row has too many fields, or the roles of
            the columns are not clear.
    """
    table = sniff(path)
    cell = pixel_cell(table)
    if cell is not None:
        return read_csv_pixel_cells(table, cell, split, form, labelled)
    with blame(path):
        columns = image_columns(table, split, form.image, labelled)
        pixels, ids, labels, others = _read(table, columns, form.scale)
        layout = form.layout or colour_layout(pixels, form.image)
        label_column = None if columns.label is None else table.name(columns.label)
        return Raw(
            array_images(path, as_images(pixels, form.image, layout), Form()),
            ids=tidy(np.concatenate(ids), "id") if ids else None,
            labels=tidy_labels(np.concatenate(labels), split.label_separator) if labels else None,
            label_column=label_column,
            form=replace(form, layout=layout),
            columns=named_texts(table, others),
        )


def _read(table: Table, columns: Columns, scale: float) -> tuple[np.ndarray, list, list, list]:
    text_columns = [column for column in (columns.id, columns.label, *columns.others) if column is not None]
    ids, labels, others = [], [], []

    def parts() -> Iterator[np.ndarray]:
        for frame in read_chunks(table, text_columns):
            for texts, column in ((ids, columns.id), (labels, columns.label)):
                if column is not None:
                    texts.append(column_text(frame, column))
            others.append(frame[list(columns.others)])
            values = _numbers(table, frame, list(columns.pixels))
            yield to_pixels(values, scale, _where(table, frame.index[0], columns.pixels))

    return on_disk(parts()), ids, labels, others


def _numbers(table: Table, frame: pd.DataFrame, positions: list[int]) -> np.ndarray:
    """Return the pixels (rows, pixels) of a chunk as numbers."""
    values = frame[positions]
    texts = [position for position in positions if values[position].dtype.kind not in "biuf"]
    for position in texts:
        bad = pd.to_numeric(values[position], errors="coerce").isna().to_numpy()
        if bad.any():
            row = int(bad.argmax())
            place = _where(table, frame.index[0], positions)((row, positions.index(position)))
            raise ValueError(f"{place}: {quote(values[position].iloc[row])} is not a number")
    if texts:  # whole numbers beyond 64 bits
        values = values.astype(dict.fromkeys(texts, float))
    return values.to_numpy()


def _where(table: Table, first_row: int, positions: list[int] | tuple[int, ...]) -> Callable[[tuple], str]:
    first_line = first_row + (1 if table.names is None else 2)  # spreadsheets count rows from 1, with the header
    return lambda index: f"row {first_line + index[0]} of the file, column {table.name(positions[index[1]])}"
