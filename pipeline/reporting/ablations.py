"""The table and the figure of an ablation."""

import math
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import t

TITLES = {"loss": "training loss", "accuracy": "training accuracy"}
PANELS = ("accuracy", "val_accuracy", "loss", "val_loss")  # by epoch, for every member
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
    path: Path, table: pd.DataFrame, titles: list[str], histories: list[list[pd.DataFrame]], scores: list[str]
) -> None:
    """Draw figures of every variant by epoch, and its scores with intervals, as SVG.

    Args:
        path: the file.
        table: from `summary`.
        titles: of the variants, a row of the table each.
        histories: for each variant, the history of each training that did not diverge.
        scores: columns of the table.
    """
    figure = Figure(figsize=(15, max(5, 2 + 0.5 * len(titles))), layout="constrained")
    grid = figure.add_gridspec(2, 3, width_ratios=[3, 3, 4])
    for place, name in enumerate(PANELS):
        axes = figure.add_subplot(grid[divmod(place, 2)])
        axes.set(title=title_of(name), xlabel="epoch")
        for index, trainings in enumerate(histories):
            for history in trainings:
                marker, alpha = "." if len(history) == 1 else None, 1 / math.sqrt(len(trainings))
                axes.plot(history["epoch"], history[name], color=f"C{index}", alpha=alpha, marker=marker)
    _draw_scores(figure.add_subplot(grid[:, 2]), table, titles, scores)
    figure.savefig(path, format="svg", metadata={"Date": None})


def _draw_scores(axes: Axes, table: pd.DataFrame, titles: list[str], scores: list[str]) -> None:
    for score, marker, offset in zip(scores, "os", (-0.12, 0.12), strict=True):
        if score not in table:
            continue  # all trainings diverged
        reach = (table[f"{score} high"] - table[score]).fillna(0) if f"{score} high" in table else 0 * table[score]
        for height, (value, half) in enumerate(zip(table[score], reach, strict=True)):
            label = None if height else score
            axes.errorbar(value, height + offset, xerr=half, fmt=marker, color=f"C{height}", capsize=3, label=label)
        axes.legend(fontsize="small")
    axes.set_yticks(range(len(titles)), titles)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
