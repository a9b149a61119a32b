"""The published figures beside the measured ones, as Markdown and as a page."""

from html import escape
from pathlib import Path

import pandas as pd

from pipeline.reporting.tables import markdown
from published.plan import load_figures

SMALL_NOTE = (
    "**small**: at most 250 images and one epoch a system. These scores mean nothing; they show that everything runs."
)
STYLE = "body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto}td,th{padding:.2em .8em;text-align:left}"


def write_tables(report: str, folder: Path, is_small: bool) -> str:
    """Write `published.md` and `published.html` into the folder of a report that has run, and return a sentence."""
    table = beside(load_figures(report), folder)
    title = f"Report {report.upper()}, published and measured" + (" (small)" if is_small else "")
    note = (
        SMALL_NOTE if is_small else "One training each, on a replica of the report's images where these are not public."
    )
    (folder / "published.md").write_text(f"# {title}\n\n{note}\n\n{markdown(table)}\n", encoding="utf-8")
    body = table.to_html(index=False, border=0)
    page = f"<!doctype html><meta charset=utf-8><title>{title}</title><style>{STYLE}</style><h1>{title}</h1>"
    page += f"<p>{escape(note.replace('**', ''))}</p>{body}<p><a href=report/>All measurements</a></p>\n"
    (folder / "published.html").write_text(page, encoding="utf-8")
    measured = (table["measured"] != "").sum()
    return f"{folder / 'published.md'}: {measured} of {len(table)} published figures measured" + " (small)" * is_small


def beside(figures: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Return the published figures with the measured ones. What was not measured is an empty text."""
    members = pd.read_csv(folder / "report" / "comparison.csv").set_index("member")
    ablations = {name: _ablation(folder / "ablations" / f"{name}.csv") for name in figures["ablation"].unique() if name}
    measured = []
    for row in figures.itertuples():
        source, key = (ablations[row.ablation], int(row.variant)) if row.ablation else (members, row.member)
        is_there = key in source.index and row.figure in source.columns
        measured.append(_text(source.loc[key, row.figure]) if is_there else "")
    columns = ["system", "figure", "published", "measured", "note"]
    return figures.assign(measured=measured, published=[_text(float(value)) for value in figures["published"]])[columns]


def _ablation(path: Path) -> pd.DataFrame:
    return pd.read_csv(path) if path.exists() else pd.DataFrame()


def _text(value: float) -> str:
    if pd.isna(value):
        return "diverged"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
