"""The tables of a competition: label files, the sample submission and the answers."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

TRAIN_ROWS, TEST_ROWS = 48, 16


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table, without its index."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)


def with_sample(answers: pd.DataFrame, path: Path, value: object) -> pd.DataFrame:
    """Write a sample submission, in which all columns but the first have one value, and return the answers."""
    write_csv(answers.assign(**dict.fromkeys(answers.columns[1:], value)), path)
    return answers


def one_column(id_column: str, label_column: str, cell: Callable[[int], object] = int) -> Callable[..., pd.DataFrame]:
    """Return a function of ids and kinds that returns a table of ids and labels; `cell` is the label of a kind."""
    return lambda ids, kinds: pd.DataFrame({id_column: ids, label_column: [cell(kind) for kind in kinds]})


def indicators(id_column: str, classes: Sequence[str]) -> Callable[..., pd.DataFrame]:
    """Return a function of ids and kinds, or sets of kinds, that returns a table with a column of 0 and 1 a class."""

    def table(ids: Sequence, kinds: Sequence) -> pd.DataFrame:
        some = [kind if isinstance(kind, list) else [kind] for kind in kinds]
        columns = {name: [int(number in kinds) for kinds in some] for number, name in enumerate(classes)}
        return pd.DataFrame({id_column: ids} | columns)

    return table


def set_cells(id_column: str, label_column: str, labels: Sequence) -> Callable[..., pd.DataFrame]:
    """Return a function of ids and sets of kinds that returns a table whose cells have labels with spaces between."""
    return lambda ids, kinds: pd.DataFrame(
        {id_column: ids, label_column: [" ".join(str(labels[kind]) for kind in some) for some in kinds]}
    )
