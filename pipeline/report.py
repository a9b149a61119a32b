"""Stage `report`: one table of what was trained and what it scored."""

import pandas as pd

from pipeline import paths
from pipeline.config import Params
from pipeline.contracts import load_json, writing
from pipeline.stage import run

NOTE = (
    "Out-of-fold accuracy is measured on rows that the models, and an ensemble's weights, did not see. Where the\n"
    "task's folder is a replica, public and private scores are replica scores, not Kaggle's; ± is one standard error.\n"
)


def report(params: Params) -> str:
    """Write `summary.md` and `summary.csv`."""
    rows = [row for task in params.tasks for row in (*_member_rows(task), _ensemble_row(task))]
    table = pd.DataFrame(rows).fillna("")
    with writing(paths.SUMMARY.parent) as part:
        part.mkdir()
        table.to_csv(part / "summary.csv", index=False)
        (part / paths.SUMMARY.name).write_text(f"# Podium\n\n{markdown(table)}\n\n{NOTE}", encoding="utf-8")
    return f"{paths.SUMMARY} with {len(table)} rows"


def _member_rows(task: str) -> list[dict]:
    rows = []
    for name in load_json(paths.roster(task)):
        metrics = load_json(paths.predictions(task, name) / "metrics.json")
        rows.append(
            {
                "task": task,
                "member": name,
                "out-of-fold accuracy": f"{metrics['accuracy']:.4f}",
                "parameters": f"{metrics['parameters']:,}",
                "epochs": f"{metrics['epochs']:.0f}",
                "seconds per epoch": f"{metrics['seconds_per_epoch']:.1f}",
            }
        )
    return rows


def _ensemble_row(task: str) -> dict:
    made, scores = load_json(paths.ensemble(task) / "ensemble.json"), load_json(paths.score(task))
    row = {
        "task": task,
        "member": f"ensemble ({made['method']})",
        "out-of-fold accuracy": f"{made['honest_accuracy']:.4f} ± {made['standard_error']:.4f}",
    }
    for part in ("public", "private"):
        if scores.get(part, {}).get("score") is not None:
            row[f"{part} score"] = f"{scores[part]['score']:.4f} ± {scores[part]['standard_error']:.4f}"
    return row


def markdown(table: pd.DataFrame) -> str:
    """Return a table of texts as aligned Markdown."""
    cells = [list(table.columns), *table.astype(str).to_numpy().tolist()]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


if __name__ == "__main__":
    run("report", report, keyed=False)
