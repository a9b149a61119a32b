"""A CSV with all pixels of an image in one cell, separated by spaces, as FER2013."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from features.images.layouts import as_images, colour_layout
from features.images.pixels import to_pixels
from pipeline.config.schema import Split
from pipeline.readers.array_images import array_images
from pipeline.readers.columns import named_columns
from pipeline.readers.csv_table import Table, column_text, named_texts, read_chunks
from pipeline.readers.raw import Form, Raw, tidy, tidy_labels
from pipeline.storage.files import BadInput, blame
from pipeline.storage.scratch import on_disk

_LEAST_PIXELS = 16


def pixel_cell(table: Table) -> int | None:
    """Return the position of the column whose first cell has many numbers, or None."""
    cells = [position for position, cell in enumerate(table.first_row) if _is_pixels(cell)]
    return cells[0] if len(cells) == 1 else None


def read_csv_pixel_cells(table: Table, cell: int, split: Split, form: Form, labelled: bool) -> Raw:
    """Return the images, ids, labels and other columns of a CSV whose column `cell` has the pixels.

    Raises:
        BadInput: a cell has another number of pixels than the first one, or text, or a pixel outside 0..255, or it is
            not clear which column is the label.
    """
    path, ids, labels, columns = table.path, [], [], []
    with blame(path):
        id_, label, rest = named_columns(table, split)
        others = [position for position in rest if position != cell]
        if label is None and labelled:
            if len(others) != 1:
                names = ", ".join(table.name(position) for position in others) or "none"
                raise ValueError(f"columns {names} may be the label; declare label_column")
            label = others.pop()

        def parts() -> Iterator[np.ndarray]:
            for frame in read_chunks(table, list(range(table.width))):
                if id_ is not None:
                    ids.append(column_text(frame, id_))
                if label is not None:
                    labels.append(column_text(frame, label))
                columns.append(frame[others])
                yield _pixels(path, column_text(frame, cell), frame.index[0], form.scale, table.first_row[cell])

        pixels = on_disk(parts())
        form = replace(form, layout=form.layout or colour_layout(pixels, form.image))
        return Raw(
            array_images(path, as_images(pixels, form.image, form.layout), Form()),
            ids=tidy(np.concatenate(ids), "id") if ids else None,
            labels=tidy_labels(np.concatenate(labels), split.label_separator) if labels else None,
            label_column=None if label is None else table.name(label),
            form=form,
            columns=named_texts(table, columns),
        )


def _pixels(path: Path, cells: np.ndarray, first_row: int, scale: float, example: str) -> np.ndarray:
    """Return the pixels (rows, pixels) uint8 of a chunk."""
    count = len(example.split())
    values = np.empty((len(cells), count))
    for row, cell in enumerate(cells):
        try:
            numbers = np.array(cell.split(), float)
        except ValueError as error:
            raise BadInput(f"{path}: row {first_row + row} (counted from 0): {error}") from None
        if len(numbers) != count:
            raise BadInput(f"{path}: row {first_row + row} (counted from 0) has {len(numbers)} pixels, others {count}")
        values[row] = numbers
    return to_pixels(values, scale, lambda index: f"row {first_row + index[0]} (counted from 0), pixel {index[1]}")


def _is_pixels(cell: str) -> bool:
    numbers = cell.split()
    return len(numbers) >= _LEAST_PIXELS and all(number.replace(".", "", 1).isdigit() for number in numbers)
