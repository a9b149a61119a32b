"""Import the tables of RESULTS.md at commit 7b28d18 as rows of `benchmarks/results/`.

    python -m benchmarks.import_results

It was run once, and skips CSVs that exist. `benchmarks/records/tables.yaml` describes how each table is read. Values
that a table does not contain stay empty. Figures in the text of RESULTS.md are in `benchmarks/records/`, in no CSV.
"""

import re
import subprocess
from typing import Any

import yaml

from benchmarks.results import ROOT, mean_and_error, path_of, write

COMMIT = "7b28d18"
RULES = ROOT / "benchmarks" / "records" / "tables.yaml"
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
FACTORS = {"minutes": 60, "minutes of a core": 60, "TFLOP": 1e-3, "dead_share": 1e-2, "varying_share": 1e-2}
UNKNOWN = {"source": f"RESULTS.md@{COMMIT}", "commit": "", "date": "", "device": ""}

Row = dict[str, Any]


def main() -> None:
    """Write the CSV of every question that has tables in RESULTS.md and no CSV yet."""
    command = ["git", "-C", str(ROOT), "show", f"{COMMIT}:benchmarks/RESULTS.md"]
    tables = _tables(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    questions: dict[str, list[Row]] = {}
    for rule in yaml.safe_load(RULES.read_text(encoding="utf-8"))["tables"]:
        rows = rule.get("typed") or _rows(tables[rule["section"], rule.get("table", 0)], rule)
        questions.setdefault(rule["question"], []).extend(_with_facts(row, rule) for row in rows)
    for question, rows in questions.items():
        if not path_of(question).exists():
            print(write(question, rows).relative_to(ROOT), len(rows))


def _tables(text: str) -> dict[tuple[str, int], list[Row]]:
    """Return the lines of each table, cells by heading, under (section, number of the table there)."""
    tables, section, lines = {}, "", []
    for line in text.splitlines():
        if line.startswith("|"):
            lines.append([cell.strip().replace("**", "") for cell in line.strip("|").split("|")])
        elif lines:
            number = sum(1 for name, _ in tables if name == section)
            tables[section, number] = [dict(zip(lines[0], cells, strict=True)) for cells in lines[2:]]
            lines = []
        if line.startswith("#"):
            section = line.lstrip("# ")
    return tables


def _rows(table: list[Row], rule: Row) -> list[Row]:
    """Return a row for each figure of a table, without what the rule says of all rows."""
    if rule.get("transpose"):
        table = _transpose(table)
    if rule.get("seeds"):
        table = _seeds_in_one_line(table)
    rows, above, label = [], [], ""
    for line in table:
        cell = line.get("member") or next(iter(line.values()))
        if cell in rule.get("under", {}):
            for row, name in zip(above, rule["figures"], strict=True):
                row |= dict(zip(rule["under"][cell], _numbers(line[name]), strict=False))
            continue
        label = f"{label.rpartition(', ')[0]}, {cell[10:]}" if cell.startswith("the same, ") else cell
        label_columns = _parse_label_as(rule["label"], label) if "label" in rule else _parse_label(label, rows)
        above = [{**label_columns, "task": line.get("task", ""), **row} for row in _figures(line, rule)]
        rows += above
    return _join_rows(rows, rule["join"]) if "join" in rule else rows


def _figures(line: Row, rule: Row) -> list[Row]:
    """Return what each figure of a line is, with its value and those that hold for the whole line."""
    shared = {ours: line[name] for name, ours in rule.get("texts", {}).items()}
    for name, ours in rule.get("values", {}).items():
        if numbers := _numbers(line[name]):
            shared[ours] = FACTORS.get(name, 1) * sum(numbers) / len(numbers)
    rows = []
    for name, fields in (_marks(line) if rule.get("marks") else rule["figures"]).items():
        column, numbers = fields.get("into", "accuracy"), _numbers(line[name])
        if numbers:
            value = {column: FACTORS.get(column, 1) * numbers[0]} if "into" in fields else _accuracy(line[name])
            memory = {"peak_gib": numbers[1]} if "GiB" in line[name] else {}
            rows.append({**shared, **value, **memory, **{key: text for key, text in fields.items() if key != "into"}})
    return rows


def _marks(line: Row) -> dict[str, Row]:
    """Return the figures of a race: accuracy on the way, by minutes, and at the end."""
    label, *marks = line
    end = re.search(r"([\d.]+) minutes", line[label])
    at_end = {"rows": "test", "mark": "end", "minutes": end[1] if end else ""}
    ends = {"end": {**at_end, "views": 1}, "end, six views": {**at_end, "views": 6}}
    return {
        minutes: ends.get(minutes, {"rows": "2000 of test", "views": 1, "mark": number, "minutes": minutes})
        for number, minutes in enumerate(marks, start=1)
    }


def _parse_label(label: str, rows: list[Row]) -> Row:
    """Return the member and setting that a label names, and the commit and date that it has in brackets."""
    commit = re.search(r"\(.*?commit (\w{7})(?:, (\d{4}-\d\d-\d\d))?.*\)", label)
    label_columns = {"member": re.sub(r" \((?:the same|commit|.*commit).*\)$", "", label)}
    if commit:
        label_columns |= {"own_commit": commit[1], "own_date": commit[2] or ""}
    elif "(the same" in label:
        label_columns |= {name: rows[-1].get(name, "") for name in ("own_commit", "own_date")}
    code = re.search(r"^`([^`]+)`,? ?(.*)", label_columns["member"]) or re.search(
        r"^([a-z_]+-[a-z0-9-]+), (.*)", label_columns["member"]
    )
    return label_columns | {"member": code[1], "own_setting": code[2]} if code else label_columns


def _parse_label_as(column: str, label: str) -> Row:
    """Return a column other than the member, and the member where the label has it in brackets."""
    code = re.search(r"^(.*) \(`([^`]+)`\)$", label)
    return {column: code[1], "member": code[2]} if code else {column: re.sub(r"(?<=\d),(?=\d{3}\b)", "", label)}


def _with_facts(row: Row, rule: Row) -> Row:
    """Return a row with what the rule says of it; what its label says comes before that."""
    row = {**UNKNOWN, **rule.get("same", {}), **{name: value for name, value in row.items() if value != ""}}
    for fact in rule.get("facts", ()):
        if all(str(row.get(name, "")).startswith(value) for name, value in fact["if"].items()):
            row |= {name: value for name, value in fact.items() if name != "if"}
    own = {name: row.pop(f"own_{name}", "") for name in ("commit", "date", "setting")}
    row |= {name: own[name] for name in ("commit", "date") if own[name]}
    row |= {"seeds": row.get("seeds", 1)} if "accuracy" in row else {}
    settings = [row.get("setting", ""), "" if rule.get("plain") else own["setting"]]
    return row | {"setting": ", ".join(filter(None, settings))}


def _join_rows(rows: list[Row], names: list[str]) -> list[Row]:
    """Return the rows with those joined that say different things of one figure, as the images and the errors."""
    rows_by_key: dict[tuple, Row] = {}
    for row in rows:
        key = tuple(row[name] for name in names)
        rows_by_key[key] = rows_by_key.get(key, {}) | row
    return list(rows_by_key.values())


def _transpose(table: list[Row]) -> list[Row]:
    label, *columns = table[0]
    return [{label: name, **{line[label]: line[name] for line in table}} for name in columns]


def _seeds_in_one_line(table: list[Row]) -> list[Row]:
    """Return a line for each member; its cells list the figures of the seeds, without their mean."""
    groups: list[list[Row]] = []
    for line in table:
        groups += [[]] if next(iter(line.values())) else []
        groups[-1].append(line)
    label = next(iter(table[0]))
    return [
        {name: ", ".join(line[name] for line in group if line["seed"] != "mean" and line[name]) for name in group[0]}
        | {label: group[0][label]}
        for group in groups
    ]


def _accuracy(cell: str) -> Row:
    """Return accuracy, standard error and seeds of a cell: percent or shares, one figure, one with ±, or one a seed."""
    numbers = _numbers(cell)
    scale = 100 if numbers[0] > 1.5 else 1
    if "±" in cell:
        return {"accuracy": numbers[0] / scale, "standard_error": numbers[1] / scale}
    return (
        mean_and_error(number / scale for number in numbers) if len(numbers) > 1 else {"accuracy": numbers[0] / scale}
    )


def _numbers(cell: str) -> list[float]:
    """Return the numbers of a cell, without those in brackets."""
    return [float(text) for text in NUMBER.findall(re.sub(r"\(.*?\)|(?<=\d),(?=\d{3}\b)", "", cell))]


if __name__ == "__main__":
    main()
