"""CSV files in a submission's format."""

from pathlib import Path

import pandas as pd

from pipeline.readers.csv_table import read_text, sniff
from pipeline.storage.files import BadInput


def read_csv(path: Path) -> pd.DataFrame:
    """Return a CSV with a header and at least two columns. Cells are unchanged texts.

    Raises:
        BadInput: the file is not such a table, or has no rows.
    """
    table = sniff(path)
    if table.names is None or table.width < 2:
        raise BadInput(f"{path}: expected a header and two columns, the id and the label")
    return read_text(table).set_axis(table.names, axis=1)
