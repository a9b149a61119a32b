"""The published figures beside the measured ones, as Markdown and as a page."""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

import pandas as pd

from pipeline.config.schema import load_params
from pipeline.reporting.ablations import text_table
from pipeline.reporting.tables import markdown
from pipeline.storage.paths import REPLICA_SOURCE
from published.galleries import write_galleries
from published.plan import is_of_images, load_figures

SMALL_NOTE = (
    "**small**: at most 250 images and one epoch a system. These scores mean nothing; they show that everything runs."
)
FULL_NOTE = "One training each, on a replica of the report's images where these are not public."
OTHER_IMAGES = "No published figure is shown for {}: the images are not those of the report."
STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto}td,th{padding:.2em .8em;text-align:left}"
    "img{max-width:100%}"
)


def write_tables(report: str, folder: Path, is_small: bool) -> str:
    """Write `published.md` and `published.html` into the folder of a report that has run, and return a sentence.

    They show the published figures beside the measured ones, each ablation's table and figure, and test images that
    each system gets right and wrong.
    """
    others = members_with_other_images(folder)
    table = beside(load_figures(report), folder, others)
    title = f"Report {report.upper()}, published and measured" + (" (small)" if is_small else "")
    notes = [SMALL_NOTE if is_small else FULL_NOTE, *([OTHER_IMAGES.format(", ".join(others))] if others else [])]
    parts = [("", table, ""), *_ablation_parts(folder)]
    galleries = write_galleries(folder)
    blocks = [
        f"{f'## {name}' if name else ''}\n\n{markdown(texts)}\n{image and f'![{name}]({image})'}"
        for name, texts, image in parts
    ]
    blocks += [f"## Images: {name}\n\n![{name}]({image})" for name, image in galleries]
    (folder / "published.md").write_text("\n\n".join([f"# {title}", *notes, *blocks]) + "\n", encoding="utf-8")
    page = f"<!doctype html><meta charset=utf-8><title>{title}</title><style>{STYLE}</style><h1>{title}</h1>"
    page += "".join(f"<p>{escape(note.replace('**', ''))}</p>" for note in notes)
    page += "<p><a href=report/index.html>Curves, images, errors and layers of all systems</a></p>"
    for name, texts, image in parts:
        page += f"{name and f'<h2>{name}</h2>'}{texts.to_html(index=False, border=0)}"
        page += f"<img src={image} alt={name}>" if image else ""
    page += "<h2>Test images, right and wrong</h2>" if galleries else ""
    page += "".join(f"<h3>{name}</h3><img src={image} alt={name}>" for name, image in galleries)
    (folder / "published.html").write_text(page + "\n", encoding="utf-8")
    measured = (table["measured"] != "").sum()
    return f"{folder / 'published.md'}: {measured} of {len(table)} published figures measured" + " (small)" * is_small


def members_with_other_images(folder: Path) -> list[str]:
    """Return the members whose image set has other files than the published ones."""
    params = load_params(folder / "params.yaml")
    files = {name: folder / task.ingest.folder / REPLICA_SOURCE for name, task in params.tasks.items()}
    others = [name for name, path in files.items() if path.exists() and not json.loads(path.read_text())["is_original"]]
    return [name for name, member in params.members.items() if member.task in others]


def _ablation_parts(folder: Path) -> list[tuple[str, pd.DataFrame, str]]:
    """Return the name, the table as texts and the file of the figure of each ablation that has run."""
    names = [path.stem for path in sorted((folder / "ablations").glob("*.csv"))]
    tables = [text_table(pd.read_csv(folder / "ablations" / f"{name}.csv")) for name in names]
    return [(name, table, f"ablations/{name}.svg") for name, table in zip(names, tables, strict=True)]


def beside(figures: pd.DataFrame, folder: Path, others: Sequence[str] = ()) -> pd.DataFrame:
    """Return the published figures with the measured ones. What was not measured is an empty text.

    Accuracies and losses of the members `others` are not shown, because they are of other images.
    """
    members = pd.read_csv(folder / "report" / "comparison.csv").set_index("member")
    ablations = {name: _ablation(folder / "ablations" / f"{name}.csv") for name in figures["ablation"].unique() if name}
    measured, published = [], []
    for row in figures.itertuples():
        is_other = row.member in others and is_of_images(row.figure)
        published.append("" if is_other else _text(float(row.published)))
        source, key = (ablations[row.ablation], int(row.variant)) if row.ablation else (members, row.member)
        is_there = key in source.index and row.figure in source.columns
        measured.append(_text(source.loc[key, row.figure]) if is_there else "")
    columns = ["system", "figure", "published", "measured", "note"]
    return figures.assign(measured=measured, published=published)[columns]


def _ablation(path: Path) -> pd.DataFrame:
    return pd.read_csv(path) if path.exists() else pd.DataFrame()


def _text(value: float) -> str:
    if pd.isna(value):
        return "diverged"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
