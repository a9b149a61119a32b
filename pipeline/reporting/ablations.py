"""The table and the figure of an ablation."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t

TITLES = {"loss": "training loss", "accuracy": "training accuracy"}
DIVERGED = "diverged"


def title_of(figure: str) -> str:
    """Return the title of a column of the history: `validation accuracy` for `val_accuracy`."""
    return TITLES.get(figure, figure.replace("val_", "validation "))


def summary(rows: pd.DataFrame, scores: list[str]) -> pd.DataFrame:
    """Return a row for each variant: the means over its seeds, and intervals of the `scores`.

    The interval is Student's 95 % interval of the mean. There is none with one seed. If a training diverged, its
    figures are missing and do not count.

    Args:
        rows: one for each training, with the columns `variant` and `seed`.
        scores: columns that get an interval.
    """
    means = []
    for _, group in rows.groupby("variant", sort=False):
        figures = group.drop(columns=["variant", "seed"])
        numbers = figures.select_dtypes("number").columns.intersection(figures.columns)
        row = figures.iloc[0].to_dict() | figures[numbers].mean().to_dict()
        if len(group) > 1:
            row["seeds"] = int(group["epochs"].notna().sum()) if "epochs" in group else 0
            for score in figures.columns.intersection(scores):
                row |= dict(zip((f"{score} low", f"{score} high"), interval(group[score].dropna()), strict=True))
        means.append(row)
    return pd.DataFrame(means)


def interval(values: pd.Series) -> tuple[float, float]:
    """Return Student's 95 % interval of the mean of some values; NaN if there are fewer than two."""
    if len(values) < 2:
        return math.nan, math.nan
    reach = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return values.mean() - reach, values.mean() + reach


def text_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as texts. Each score is in one cell with half its interval's width."""
    texts = {}
    for column in table:
        if column.endswith((" low", " high")):
            continue
        reach = table[f"{column} high"] - table[column] if f"{column} high" in table else [math.nan] * len(table)
        texts[column] = [_cell(value, half) for value, half in zip(table[column], reach, strict=True)]
    return pd.DataFrame(texts)


def _cell(value: object, reach: float) -> str:
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return DIVERGED
    return f"{value:.4g}" if math.isnan(reach) else f"{value:.4f} ± {reach:.4f}"


def write_figure(
    path: Path, table: pd.DataFrame, titles: list[str], curves: list[list[np.ndarray]], scores: list[str]
) -> None:
    """Draw the curves of the variants, and their scores with intervals, as SVG.

    Args:
        path: the file.
        table: from `summary`.
        titles: of the variants, a row of the table each.
        curves: for each variant, the score by epoch (epochs,) of each training that did not diverge.
        scores: columns of the table, the first of which is that of the curves.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 1.5 + max(2.5, 0.5 * len(titles))), layout="constrained")
    left, right = figure.subplots(1, 2)
    for index, trainings in enumerate(curves):
        for curve in trainings:
            left.plot(np.arange(1, len(curve) + 1), curve, color=f"C{index}", alpha=1 / math.sqrt(len(trainings)))
    left.set(xlabel="epoch", ylabel=scores[0])
    heights = np.arange(len(titles))
    for score, marker, offset in zip(scores, "os", (-0.12, 0.12), strict=False):
        if score not in table:
            continue
        reach = (table[f"{score} high"] - table[score]).fillna(0) if f"{score} high" in table else 0 * table[score]
        for height, (value, half) in enumerate(zip(table[score], reach, strict=True)):
            label = score if not height else None
            right.errorbar(value, height + offset, xerr=half, fmt=marker, color=f"C{height}", capsize=3, label=label)
    right.set_yticks(heights, titles)
    right.invert_yaxis()
    right.grid(axis="x", alpha=0.3)
    right.legend(fontsize="small", loc="best", labelcolor="black")
    figure.savefig(path, format="svg", metadata={"Date": None})
