"""`python -m pipeline.report`: write a page to look at, a table of scores and a comparison of all members.

It shows what the run has so far: without trained members, the data alone. It also writes the folders `metrics/` and
`plots/` for `dvc metrics` and `dvc plots`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from features.labels.intervals import with_bounds
from pipeline.reporting.dvc_metrics import save_metrics
from pipeline.reporting.dvc_plots import save_plots
from pipeline.reporting.page import TaskPart, page, task_part
from pipeline.reporting.suspects import Suspects
from pipeline.reporting.tables import markdown
from pipeline.reporting.task_run import TaskRun
from pipeline.running.stage import Params, run
from pipeline.storage import paths
from pipeline.storage.files import BadInput, load_json, writing
from pipeline.storage.summaries import load_ensemble, load_metrics, load_run, load_scores

NOTE = (
    "Scores are by the task's metric. For log_loss lower is better, for all others higher.\n"
    "The out-of-fold score is measured on rows that the model was not trained on and the ensemble was not fitted on.\n"
    "A fold keeps the epoch that scores best on these rows, so the score is slightly too good. On the other hand,\n"
    "each row is judged by one fold's model, but the submission averages the models of all folds, which usually\n"
    "scores higher. In brackets: the 95 % interval (Wilson's for accuracy, else by bootstrap). If the task is a\n"
    "replica, public and private score are replica scores, not Kaggle's.\n"
)
COMPARISON_NOTE = (
    "The training loss includes augmentation, dropout and label smoothing. Validation is without test-time\n"
    "augmentation, out-of-fold with it. Precision, recall, F1 and ROC AUC (one class against the rest) are means,\n"
    "out of fold, over the classes that occur. FLOPs are for one forward pass; training takes about three times as\n"
    "many. In brackets: the 95 % interval (Wilson's for accuracy, else by bootstrap).\n"
    "For label sets, accuracy is the share of images whose predicted set is not empty and contains only true labels,\n"
    "at thresholds of 0.5; the out-of-fold score uses thresholds that were fitted on other folds. The test score\n"
    "and the test loss (log-loss) are on all test rows, if the answers are known, as for replicas. Seconds to test\n"
    "are for the predictions of the test rows, with all models and views.\n"
)
WHOLE = ("layers", "parameters", "epochs")
ONE_DIGIT = ("MFLOPs per image", "seconds per epoch", "seconds to test")
IN_SUMMARY = (
    "task",
    "member",
    "metric",
    "out-of-fold score",
    "out-of-fold score low",
    "out-of-fold score high",
    "parameters",
    "epochs",
    "seconds per epoch",
)


def report(params: Params) -> str:
    """Write the page `index.html`, lists of suspected label errors, `summary` and `comparison` (Markdown and CSV).

    They contain what the run has so far. Without any predictions there are no tables.

    Raises:
        BadInput: no task has data yet, or a file of the run is damaged.
    """
    names = {task: tuple(n for n, member in params.members.items() if member.task == task) for task in params.tasks}
    task_parts = [task_part(TaskRun(task, members)) for task, members in names.items()]
    all_members = [(task, name) for task, members in names.items() for name in members]
    predicted_members = [member for member in all_members if paths.predictions(*member).exists()]
    if not predicted_members and not any(part.contents for part in task_parts):
        raise BadInput("artifacts: no task has data yet, expected one at least; run dvc repro")
    predicted_by_task = {task: [name for other, name in predicted_members if other == task] for task in params.tasks}
    with writing(paths.PAGE.parent) as folder:
        folder.mkdir()
        (folder / paths.PAGE.name).write_text(page(task_parts), encoding="utf-8")
        _write_suspects(folder / "suspects", task_parts)
        if predicted_members:
            _write_tables(folder, params, predicted_members)
    for folder, save in ((paths.METRICS, save_metrics), (paths.PLOTS, save_plots)):
        with writing(folder) as part:
            part.mkdir()
            save(part, predicted_by_task)
    missing = ", ".join(name for task, name in all_members if (task, name) not in predicted_members)
    return f"{paths.PAGE} to open in a browser" + (f", not yet with {missing}," if missing else "")


def _write_suspects(folder: Path, parts: Sequence[TaskPart]) -> None:
    """Write a CSV of suspected label errors for each task with predictions, the most suspicious first."""
    folder.mkdir()
    for part in parts:
        content = part.contents.get("suspects")
        if isinstance(content, Suspects):
            rows = [(suspect.id, suspect.label, suspect.suggestion, suspect.quality) for suspect in content.listed]
            table = pd.DataFrame(rows, columns=["id", "label", "suggestion", "quality"])
            table.to_csv(folder / f"{part.task}.csv", index=False)


def _write_tables(folder: Path, params: Params, predicted_members: list[tuple[str, str]]) -> None:
    members = pd.DataFrame([_metrics(*member) for member in predicted_members])
    rows = [row for task in params.tasks for row in (*_member_rows(members, task), *_ensemble_rows(task))]
    _save(folder / "summary", pd.DataFrame(rows), f"# Podium\n\n{{}}\n\n{NOTE}{_warnings(params)}")
    _save(folder / "comparison", members, f"# Members compared\n\n{{}}\n\n{COMPARISON_NOTE}")


def _warnings(params: Params) -> str:
    """Return the warnings of the audits of the tasks' images, one in each line."""
    audits = {
        task: load_json(path, {"warnings": list})
        for task in params.tasks
        if (path := paths.images(task) / "audit.json").exists()
    }
    lines = [f"* {task}: {warning}\n" for task, audit in audits.items() for warning in audit["warnings"]]
    return f"\nAbout the images:\n\n{''.join(lines)}" if lines else ""


def _save(stem: Path, table: pd.DataFrame, page: str) -> None:
    """Write the table as CSV, and as Markdown inside a page. Columns without any value are omitted."""
    table = table.dropna(axis=1, how="all")
    table.to_csv(stem.with_suffix(".csv"), index=False)
    stem.with_suffix(".md").write_text(page.format(markdown(_text_table(table))), encoding="utf-8")


def _text_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as texts. Each score is in one cell with its interval."""
    texts = {}
    for column in table:
        if f"{column} low" in table:
            scores = table[[column, f"{column} low", f"{column} high"]].to_numpy(float)
            texts[column] = ["" if np.isnan(row[0]) else with_bounds(*row) for row in scores]
        elif not column.endswith((" low", " high")):
            digits = 0 if column in WHOLE else 1 if column in ONE_DIGIT else 4
            texts[column] = [_cell(value, digits) for value in table[column]]
    return pd.DataFrame(texts)


def _cell(value: str | float | None, digits: int) -> str:
    if isinstance(value, str):
        return value
    return "" if pd.isna(value) else f"{value:,.{digits}f}"


def _with_interval(name: str, score: float | None, interval: dict) -> dict:
    """Return the columns of a score: its value, and both ends of its 95 % interval."""
    return {name: score, f"{name} low": interval.get("low"), f"{name} high": interval.get("high")}


def _metrics(task: str, name: str) -> dict:
    """Return a member's row of the comparison. Metrics of training are means over its folds."""
    run_summary = load_run(task, name)
    metrics, scores = load_metrics(task, name), load_scores(task)
    on_test = scores.get("members", {}).get(name, {})
    times = load_json(paths.times(task, name), {"seconds_per_epoch": dict})
    folds = pd.DataFrame(run_summary["runs"]).mean(numeric_only=True)
    return {
        "task": task,
        "member": name,
        "architecture": run_summary["architecture"],
        "layers": run_summary["layers"],
        "parameters": run_summary["parameters"],
        "MFLOPs per image": run_summary["flops"] / 1e6,
        "epochs": folds["epochs"],
        "seconds per epoch": np.mean(list(times["seconds_per_epoch"].values())),
        "training loss": folds["loss"],
        "training accuracy": folds["accuracy"],
        "validation loss": folds.get("val_loss"),
        "validation accuracy": folds.get("val_accuracy"),
        "metric": metrics["metric"],
        **_with_interval("out-of-fold score", metrics["score"], metrics),
        "out-of-fold accuracy": metrics["accuracy"],
        "precision": metrics["precision"],
        "recall": metrics["recall"],
        "F1": metrics["f1"],
        "micro F1": metrics.get("micro_f1"),
        "mean average precision": metrics.get("mean_average_precision"),
        "ROC AUC": metrics["roc_auc"],
        **_with_interval("test score", on_test.get("score"), on_test),
        "test loss": on_test.get("log_loss"),
        "seconds to test": _seconds_to_test(task, name),
    }


def _seconds_to_test(task: str, name: str) -> float | None:
    path = paths.test_times(task, name)
    return load_json(path, {"seconds_to_test": int | float})["seconds_to_test"] if path.exists() else None


def _member_rows(members: pd.DataFrame, task: str) -> list[dict]:
    return members.loc[members["task"] == task, list(IN_SUMMARY)].to_dict("records")


def _ensemble_rows(task: str) -> list[dict]:
    if not paths.ensemble(task).exists():
        return []
    ensemble, scores = load_ensemble(task, "method", "metric", "honest_score"), load_scores(task)
    row = {
        "task": task,
        "member": f"ensemble ({ensemble['method']})",
        "metric": ensemble["metric"],
        **_with_interval("out-of-fold score", ensemble["honest_score"], ensemble),
    }
    for part in ("public", "private"):
        part_score = scores.get(part, {})
        row |= _with_interval(f"{part} score", part_score.get("score"), part_score)
    return [row]


if __name__ == "__main__":
    run("report", report)
