"""`python -m published.pages`: write the published figures beside the measured ones.

It writes `published/README.md` with all tables, the marked tables of `docs/published.md`, and
`docs/published-curves.png` with the accuracy of each measured system by epoch.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from benchmarks import results
from pipeline.config.schema import Params, load_params
from pipeline.reporting.tables import markdown
from pipeline.storage.files import writing
from published.folder import HERE, REPORTS, ROOT, entries
from published.measure import CURVES, QUESTION, QUEUE
from published.plan import is_of_images, judged_rows, load_figures

PAGE, DOCS, PICTURE = HERE / "README.md", ROOT / "docs" / "published.md", ROOT / "docs" / "published-curves.png"
BLOCK = re.compile(r"(<!-- published: ([a-e]) -->\n).*?(<!-- end of published -->)", re.DOTALL)
HEAD = """# Published and measured

`python -m published.pages` writes this page from `REPORT/figures.csv`, from `measure.yaml` and from the rows of
[five_reports.csv](../benchmarks/results/five_reports.csv), which `python -m published.measure` adds.
[docs/published.md](../docs/published.md) explains it. "±" is one standard error: of a share of the judged rows for one
training, else of the mean over the seeds. Rows whose commit is 9a144ca have fewer epochs and other splits than the
entries ([record](../benchmarks/records/2026-11-25-five-reports.md)). Machines: {machines}.
"""
ROWS = {"training": "training", "validation": "out of fold", "test": "test"}  # of the results, by a figure's first word
OTHER_IMAGES = "other files with this name"
MEASURED = ("measured", "error", "difference", "images", "epochs", "seeds", "commit", "release")  # columns
ERRORS = 2  # standard errors from which a difference needs a reason
NUMBERS = ("images", "epochs", "seeds", "accuracy", "log_loss", "standard_error")
LEAST_IMAGES = 5_000  # fewer only show that a system trains
PANELS_A_LINE, PANEL_PIXELS, DPI = 4, (260, 180), 80


@cache
def _rows() -> pd.DataFrame:
    """Return all rows of the results."""
    return _numbers(results.read(QUESTION))


def measured_systems() -> pd.DataFrame:
    """Return the rows of the results for systems, indexed by member and rows: those of the training that saw most."""
    rows = _rows()
    rows = rows[(rows["ablation"] == "") & (rows["member"] != "") & (rows["images"] >= LEAST_IMAGES)]
    ordered = rows.assign(seen=rows["images"] * rows["epochs"]).sort_values("seen")
    return ordered.drop_duplicates(["member", "rows"], keep="last").set_index(["member", "rows"])


def measured_variants(name: str) -> pd.DataFrame:
    """Return the validation rows of an ablation, such as d.optimiser, indexed by variant; the newest size counts."""
    rows = _rows()
    rows = rows[(rows["ablation"] == name) & (rows["rows"] == "out of fold")]
    return rows[rows["setting"] == rows["setting"].iloc[-1]].set_index("variant").sort_index() if len(rows) else rows


def differences() -> dict[str, str]:
    """Return the sentences that say why a measured figure is not the published one, by member or ablation."""
    return yaml.safe_load(QUEUE.read_text(encoding="utf-8"))["differences"]


def compared(report: str) -> pd.DataFrame:
    """Return the published figures of a report's systems that are an accuracy or a loss, beside the measured ones.

    `difference` counts standard errors. It is missing for losses, which have no standard error.
    """
    figures, params, measured = load_figures(report), load_params(HERE / report / "params.yaml"), measured_systems()
    lines = []
    for row in figures[(figures["ablation"] == "") & figures["figure"].map(is_of_images)].itertuples():
        key = (row.member, ROWS[row.figure.partition(" ")[0]])
        line = {"system": row.system, "member": row.member, "figure": row.figure, "published": float(row.published)}
        lines.append(line | (_measured(measured.loc[key], line, params) if key in measured.index else {}))
    return pd.DataFrame(lines).reindex(columns=["system", "member", "figure", "published", *MEASURED])


def _measured(row: pd.Series, line: dict, params: Params) -> dict:
    is_loss = line["figure"].endswith("loss")
    shown = {name: row[name] for name in ("images", "epochs", "seeds", "commit", "release")}
    shown |= {"measured": row["log_loss" if is_loss else "accuracy"], "error": np.nan}
    if not is_loss and row["standard_error"] == row["standard_error"]:
        published = line["published"]
        own_error = (published * (1 - published) / judged_rows(params, line["member"], line["figure"])) ** 0.5
        shown["error"] = row["standard_error"]
        shown["difference"] = (shown["measured"] - published) / np.hypot(row["standard_error"], own_error)
    return shown


def compared_variants(report: str, ablation: str) -> pd.DataFrame:
    """Return the variants of an ablation with the published validation accuracy and the measured one."""
    variants = entries(report)["ablations"][ablation]["variants"]
    figures = load_figures(report)
    figures = figures[(figures["ablation"] == ablation) & figures["figure"].str.startswith("validation accuracy")]
    published = dict(zip(figures["variant"].astype(int), figures["published"].astype(float), strict=True))
    measured = measured_variants(f"{report}.{ablation}")
    lines = []
    for index, changes in enumerate(variants):
        line = {"variant": ", ".join(f"{key} {value}" for key, value in changes.items()) or "no change"}
        line["published"] = published.get(index, np.nan)
        if str(index) in measured.index:
            row = measured.loc[str(index)]
            line |= {"measured": row["accuracy"], "error": row["standard_error"], "commit": row["commit"]}
            line |= {name: row[name] for name in ("images", "epochs", "seeds", "setting")}
        lines.append(line)
    return pd.DataFrame(lines).reindex(
        columns=["variant", "published", "measured", "error", "images", "epochs", "seeds", "commit"]
    )


def _numbers(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(**{name: pd.to_numeric(rows[name]) for name in NUMBERS if name in rows})


def state(difference: float) -> str:
    """Return how a measured figure compares with the published one, by the difference in standard errors."""
    if np.isnan(difference):
        return "not measured"
    return "reached" if abs(difference) <= ERRORS else "higher" if difference > 0 else "not reached"


def short_table(report: str) -> str:
    """Return a line for each system: its most important published figure, and how far the measured one is."""
    table = compared(report)
    table = table[table["figure"].isin(["test score", "validation accuracy"])]
    lines = []
    for system, rows in table.groupby("system", sort=False):
        row = (rows[rows["measured"].notna()] if rows["measured"].notna().any() else rows).iloc[-1]
        is_other = row["release"] == OTHER_IMAGES
        lines.append(
            {
                "system": system,
                "figure": row["figure"],
                "published": "" if is_other else _percent(row["published"]),
                "measured": _percent(row["measured"], row["error"]),
                "images": _count(row["images"]),
                "epochs": _count(row["epochs"]),
                "result": "other images" if is_other else state(row["difference"]),
            }
        )
    return markdown(pd.DataFrame(lines))


def full_page() -> str:
    """Return the text of `published/README.md`."""
    machines = sorted({*_rows()["device"]} - {""})
    sections = [HEAD.format(machines="; ".join(machines))]
    reasons = differences()
    for report in REPORTS:
        systems = compared(report)
        measured = systems[systems["measured"].notna()]
        sections.append(f"## Report {report.upper()}\n")
        sections += [f"{markdown(_texts(measured, 'system'))}\n"] if len(measured) else []
        sections += [f"* {row}" for row in _sentences(measured["member"].unique(), reasons)]
        for ablation in entries(report)["ablations"]:
            table = compared_variants(report, ablation)
            if table["measured"].notna().any():
                sections.append(f"\n### {report}.{ablation}\n\n{markdown(_texts(table, 'variant'))}\n")
                sections.append(f"{_orders(table)}{reasons.get(f'{report}.{ablation}', '')}\n")
        missing = [name for name in systems["system"].unique() if name not in set(measured["system"])]
        missing += [
            f"{report}.{name}" for name in entries(report)["ablations"] if measured_variants(f"{report}.{name}").empty
        ]
        if missing:
            sections.append(f"\nNot measured yet: {'; '.join(missing)}.\n")
    return "\n".join(sections).rstrip() + "\n"


def _sentences(members: np.ndarray, reasons: dict[str, str]) -> Iterator[str]:
    for member in members:
        if member in reasons:
            yield f"`{member}`: {reasons[member]}"


def _orders(table: pd.DataFrame) -> str:
    """Return whether the measured variants are in the published order, if the report has their figures."""
    with_both = table.dropna(subset=["published", "measured"])
    if len(with_both) < len(table):
        return ""
    orders = [with_both.sort_values(name, ascending=False)["variant"].tolist() for name in ("published", "measured")]
    if orders[0] == orders[1]:
        return "The order is the published one. "
    return f"Published order: {' > '.join(orders[0])}. Measured order: {' > '.join(orders[1])}. "


def _texts(table: pd.DataFrame, first: str) -> pd.DataFrame:
    """Return a comparison as texts."""
    is_other = table.get("release", pd.Series("", index=table.index)) == OTHER_IMAGES
    texts = {first: table[first]}
    if "figure" in table:
        texts["figure"] = table["figure"]
    texts["published"] = [_figure(value, "") for value in table["published"].where(~is_other)]
    texts["measured"] = [_figure(value, error) for value, error in zip(table["measured"], table["error"], strict=True)]
    texts |= {name: table[name].map(_count) for name in ("images", "epochs", "seeds")}
    texts["commit"] = table["commit"].astype(object).fillna("")
    if is_other.any():
        texts["release"] = table["release"].astype(object).fillna("")
    return pd.DataFrame(texts)


def _figure(value: float, error: float | str) -> str:
    if np.isnan(value):
        return ""
    return f"{value:.4f} ± {error:.4f}" if isinstance(error, float) and not np.isnan(error) else f"{value:.4g}"


def _percent(value: float, error: float = np.nan) -> str:
    if np.isnan(value):
        return ""
    return f"{100 * value:.2f} %" if np.isnan(error) else f"{100 * value:.1f} % ± {100 * error:.1f}"


def _count(value: float) -> str:
    return "" if np.isnan(value) else f"{value:,.0f}".replace(",", " ")


def pages() -> dict[Path, str]:
    """Return the text of each page."""
    text = DOCS.read_text(encoding="utf-8")
    return {PAGE: full_page(), DOCS: BLOCK.sub(lambda match: f"{match[1]}{short_table(match[2])}\n{match[3]}", text)}


def write_picture(path: Path) -> None:
    """Draw training and validation accuracy by epoch, a panel for each measured system."""
    from matplotlib.figure import Figure

    curves = _numbers(results.read(CURVES))
    groups = list(curves.groupby(["member", "setting"], sort=False))
    figures = pd.concat([load_figures(report) for report in REPORTS])
    columns = min(PANELS_A_LINE, len(groups))
    lines = -(-len(groups) // columns)
    size = (PANEL_PIXELS[0] * columns / DPI, PANEL_PIXELS[1] * lines / DPI)
    figure = Figure(figsize=size, layout="constrained", dpi=DPI)
    panels = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
    for panel in panels[len(groups) :]:
        panel.remove()
    for panel, ((member, setting), rows) in zip(panels, groups, strict=False):
        for name, colour in (("training", "C0"), ("out of fold", "C1")):
            part = rows[rows["rows"] == name]
            panel.plot(part["epochs"], part["accuracy"], color=colour, marker="." if len(part) == 1 else None)
        published = figures[
            (figures["member"] == member) & figures["figure"].isin(["validation accuracy", "test score"])
        ]
        if len(published):
            panel.axhline(float(published["published"].iloc[0]), color="black", linestyle=":", linewidth=1)
        panel.set_title(f"{member}\n{setting}", fontsize=8)
        panel.tick_params(labelsize=7)
    figure.savefig(path, format="png", metadata={"Software": None})


def main() -> None:
    """Write all pages and the picture."""
    for path, text in pages().items():
        with writing(path) as part:
            part.write_text(text, encoding="utf-8")
    if len(results.read(CURVES)):
        with writing(PICTURE) as part:
            write_picture(part)


if __name__ == "__main__":
    main()
