"""A CSV file as a table: its delimiter, its header if it has one, and its rows in chunks."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.config.errors import BadInput, quote
from pipeline.readers.compressed import open_decompressed
from pipeline.readers.foreign import HEAD_BYTES, refuse_foreign

ID_NAMES = ("id", "ids", "imageid", "image_id", "image", "image_name", "filename", "file_name", "file")
INDEX_NAMES = ("", "index", "unnamed: 0")
LABEL_NAMES = ("label", "labels", "class", "classes", "target", "y", "category")
_DELIMITERS = (",", ";", "\t")
_CHUNK_VALUES = 1 << 22
_LINE_CHARACTERS = 1 << 26  # a colour image of 2000 by 2000 pixels


@dataclass(frozen=True)
class Table:
    """The format of a CSV file."""

    path: Path
    delimiter: str
    width: int  # columns
    names: tuple[str, ...] | None  # of the columns; None without a header
    first_row: tuple[str, ...] = ()  # the fields below the header

    def name(self, position: int) -> str:
        """Return a column's name for a message."""
        return quote(self.names[position]) if self.names else str(position)


def sniff(path: Path) -> Table:
    """Return the format of a CSV file, from its first two lines.

    Raises:
        BadInput: the file is empty or not text.
    """
    lines = _first_lines(path)
    if not lines:
        raise BadInput(f"{path}: the file is empty")
    delimiter = max(_DELIMITERS, key=lambda candidate: len(_fields(path, lines[0], candidate)))
    first, second = (_fields(path, line, delimiter) for line in (*lines, "")[:2])
    if not _is_header(first, second):
        return Table(path, delimiter, len(first), None, tuple(first))
    if len(second) == len(first) + 1:  # R writes no heading above the row names
        first = ["", *first]
    return Table(path, delimiter, len(first), tuple(first), tuple(second))


def _first_lines(path: Path) -> list[str]:
    lines = []
    try:
        with open_decompressed(path) as stream:
            refuse_foreign(path, stream.read(HEAD_BYTES))
        with open_decompressed(path) as stream, io.TextIOWrapper(stream, "utf-8-sig") as text:
            while len(lines) < 2 and (line := text.readline(_LINE_CHARACTERS)):
                if len(line) == _LINE_CHARACTERS:
                    raise BadInput(f"{path}: a line of {_LINE_CHARACTERS} characters or more, expected a CSV")
                lines += [line] if line.strip() else []
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not readable as UTF-8 text ({error.reason}), expected a CSV") from error
    return lines


def _fields(path: Path, line: str, delimiter: str) -> list[str]:
    try:
        fields = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        most = csv.field_size_limit()
        raise BadInput(f"{path}: a cell of more than {most} characters, expected a CSV of images or labels") from None
    return [field.strip() for field in fields]


def _is_header(first: list[str], second: list[str]) -> bool:
    usual_names = {*ID_NAMES, *INDEX_NAMES, *LABEL_NAMES} - {""}
    if any(field.lower() in usual_names for field in first):
        return True
    if 2 * sum(field != "" and not _is_number(field) for field in first) >= len(first):
        return True
    # pandas numbers unnamed columns from 0. A ramp of pixels would continue in the next row.
    return _first_of_run(first) in (0, 1) and _first_of_run(second) is None


def _first_of_run(fields: list[str]) -> int | None:
    """Return the first number among the fields if the others count up from it by one, else None."""
    numbers = [int(field) for field in fields if field.isdecimal()]
    runs = len(numbers) >= 4 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    return numbers[0] if runs else None


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def read_text(table: Table, positions: list[int] | None = None) -> pd.DataFrame:
    """Return the columns at `positions`, or all, as text; columns are named by their positions."""
    frames = list(_frames(table, dtype=str, usecols=positions, chunksize=_CHUNK_VALUES // table.width + 1))
    return pd.concat(frames, ignore_index=True)


def read_chunks(table: Table, text_columns: list[int]) -> Iterator[pd.DataFrame]:
    """Yield all rows in order. `text_columns` stay unchanged texts; other columns become numbers if they can.

    Columns are named by their positions, and rows are numbered from 0.
    """
    return _frames(table, dtype=dict.fromkeys(text_columns, str), chunksize=_CHUNK_VALUES // table.width + 1)


def _frames(table: Table, **options: object) -> Iterator[pd.DataFrame]:
    header = None if table.names is None else 0
    try:
        with (
            open_decompressed(table.path) as stream,
            pd.read_csv(
                stream,
                sep=table.delimiter,
                header=header,
                names=range(table.width),
                index_col=False,
                skipinitialspace=True,
                na_filter=False,
                low_memory=False,
                encoding="utf-8-sig",
                **options,
            ) as reader,
        ):
            has_rows = False
            for frame in reader:
                if len(frame):
                    has_rows = True
                    yield frame
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).removeprefix("Error tokenizing data. C error: ").split())
        raise BadInput(f"{table.path}: not readable as CSV: {reason}") from error
    if not has_rows:
        raise BadInput(f"{table.path}: no rows below the header")


def named_texts(table: Table, chunks: list[pd.DataFrame]) -> pd.DataFrame | None:
    """Return columns of texts, read in chunks, under their names. None if there are none, or none has a name."""
    if table.names is None or not chunks[0].shape[1]:
        return None
    texts = pd.concat(chunks, ignore_index=True).astype(object)
    return texts.set_axis([table.names[position] for position in texts], axis=1)


def column_text(frame: pd.DataFrame, position: int) -> np.ndarray:
    """Return one text column (n,) as an object array of str."""
    return frame[position].astype(str).to_numpy(object)
