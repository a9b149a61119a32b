"""Write the pages with results: `benchmarks/README.md`, and the marked tables of README.md and docs/.

    python -m benchmarks.readme

A marked table is between `<!-- figures: NAME -->` and `<!-- end of figures -->`; NAME is a table of
`benchmarks/questions.yaml`. Edit the data or questions.yaml, never a table.
"""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.results import ROOT, path_of, questions, read
from pipeline.reporting.tables import markdown
from pipeline.storage.files import writing

HEAD = """# Measured

Every benchmark writes its figures to `results/*.csv`. `python -m benchmarks.readme` makes this page from them and from
`questions.yaml`, which explains the columns. "±" is one standard error: over the seeds if there are several, else over
the judged rows. Scores are replica scores: the competitions' files made again from Fashion-MNIST, with the answers held
back. The source `RESULTS.md@7b28d18` marks rows from before the CSVs. [records/](records) has the details.
"""
LINK = re.compile(r"\]\(([^)]+)\)")
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)
MINUTES_FROM_SECONDS = 90
SHARES = ("accuracy_at_0", "dead_share", "varying_share")
ROUNDED = (
    "roc_auc",
    "roc_auc_error",
    "balanced_accuracy",
    "balanced_accuracy_error",
    "argmax_balanced_accuracy",
    "uncorrected_log_loss",
    "log_loss",
    "pflop",
    "peak_gib",
    "milliseconds_an_image",
)
COUNTS = ("parameters", "images", "items_per_class", "images_per_second")


def main() -> None:
    """Write all pages."""
    for path, text in pages().items():
        with writing(path) as part:
            part.write_text(text, encoding="utf-8")


def pages() -> dict[Path, str]:
    """Return the text of each page, made from the data.

    Raises:
        KeyError: a page marks a table that `questions.yaml` does not have.
    """
    tree = questions()
    tables = tree["questions"] | tree["tables"]
    texts = {ROOT / "benchmarks" / "README.md": _page(tree)}
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = path.read_text(encoding="utf-8")
        if BLOCK.search(text):
            texts[path] = BLOCK.sub(
                lambda match: f"{match[1]}{table(match[2], tables[match[2]], tree['columns'])}\n{match[3]}", text
            )
    return texts


def _page(tree: dict[str, Any]) -> str:
    sections = [HEAD]
    for name, entry in tree["questions"].items():
        file = entry.get("file", name)
        if "question" not in entry or not path_of(file).exists():
            continue  # its rows are shown elsewhere, or it is not measured yet
        links = f"[rows](results/{file}.csv)"
        links += f", [record](records/{entry['record']})" if "record" in entry else ""
        section = f"## {entry['question']}\n{entry['answer']} `{entry['command']}` ({links})\n"
        sections.append(f"{section}\n{table(name, entry, tree['columns'])}\n" if "show" in entry else section)
    return "\n".join(sections)


def table(name: str, entry: dict[str, Any], columns: dict[str, Any]) -> str:
    """Return the Markdown table of an entry of `questions.yaml`, see there."""
    value, spread = entry.get("value", "accuracy"), entry.get("spread")
    fixed = [column for column in entry["show"] if not (spread and column == value)]
    lines: dict[tuple, dict[str, str]] = {}
    spread_headings: list[str] = []
    for index, row in enumerate(_select(read(entry.get("file", name)), entry.get("where", {})).to_dict("records")):
        key = tuple(row[column] for column in fixed) if spread else (index,)
        line = lines.setdefault(key, {column: _cell(column, row) for column in fixed})
        if spread:
            line[_heading(spread, row[spread])] = _cell(value, row)
            spread_headings = [*dict.fromkeys([*spread_headings, _heading(spread, row[spread])])]
    order = [name for column in entry["show"] for name in ([column] if column in fixed else spread_headings)]
    headings = {column: columns[column].get("heading", column.replace("_", " ")) for column in fixed}
    return markdown(pd.DataFrame(lines.values())[order].fillna("").rename(columns=headings))


def _select(rows: pd.DataFrame, where: dict[str, Any]) -> pd.DataFrame:
    """Return the rows with the values of `where`; a list of values also sorts them, by the last such column first."""
    for column, values in where.items():
        texts = [str(value) for value in (values if isinstance(values, list) else [values])]
        rows = rows[rows[column].isin(texts)]
        if isinstance(values, list):
            rows = rows.sort_values(column, key=lambda cells, texts=texts: cells.map(texts.index), kind="stable")
    return rows


def _heading(column: str, value: str) -> str:
    return f"{value} view{'' if value == '1' else 's'}" if column == "views" else value


def _cell(column: str, row: dict[str, str]) -> str:
    """Return a value as people read it: percent, minutes, thousands with commas."""
    text = row.get(column, "")  # a CSV from before lacks a new column
    if not text:
        return ""
    if column == "accuracy":
        return _percent(row)
    if column in SHARES:
        return f"{100 * float(text):.0f} %"
    if column in COUNTS:
        return f"{float(text):,.0f}"
    if column == "seconds":
        seconds = float(text)
        return f"{seconds / 60:.0f} min" if seconds > MINUTES_FROM_SECONDS else f"{seconds:.1f} s"
    return f"{float(text):.3g}" if column in ROUNDED else text


def _percent(row: dict[str, str]) -> str:
    accuracy = f"{100 * float(row['accuracy']):.2f} %"
    if row.get("low"):
        return f"{accuracy} ({100 * float(row['low']):.2f} to {100 * float(row['high']):.2f})"
    return f"{accuracy} ± {100 * float(row['standard_error']):.2f}" if row["standard_error"] else accuracy


if __name__ == "__main__":
    main()
