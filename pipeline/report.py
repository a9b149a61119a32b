"""`python -m pipeline.report`: write what was trained and what it scored, in short and in full."""

from pathlib import Path

import pandas as pd

from pipeline.config.schema import Params
from pipeline.reporting.tables import markdown
from pipeline.running.stage import run
from pipeline.storage import paths
from pipeline.storage.files import BadInput, load_json, writing

NOTE = (
    "Out-of-fold accuracy is measured on rows that the models, and an ensemble's weights, did not see. Where the\n"
    "task's folder is a replica, public and private scores are replica scores, not Kaggle's; ± is one standard error.\n"
    "Of label sets, members are judged at thresholds of 0.5, an ensemble at those that its submission uses.\n"
)
COMPARISON_NOTE = (
    "Training loss is that of the optimiser, with augmentation, dropout and label smoothing; validation is without\n"
    "test-time augmentation, out-of-fold with it. Precision, recall, F1 and ROC AUC (one class against the rest) are\n"
    "means over the classes, out of fold. FLOPs are of one forward pass; training takes about three times as many.\n"
    "Of label sets, accuracy is the share of images whose predicted set is not empty and holds true labels only, at\n"
    "thresholds of 0.5. Test accuracy is that of all test rows, where the answers are known, as on replicas.\n"
)
ONE_DIGIT = ("MFLOPs per image", "seconds per epoch")


def report(params: Params) -> str:
    """Write `summary` (members and ensembles) and `comparison` (all figures of the members), as Markdown and CSV.

    Run by itself it shows what there is so far.

    Raises:
        BadInput: no member has predictions yet.
    """
    named = [
        (member.task, name) for task in params.tasks for name, member in params.members.items() if member.task == task
    ]
    made = [each for each in named if paths.predictions(*each).exists()]
    if not made:
        raise BadInput("artifacts: no member has predictions yet, expected one at least; run dvc repro")
    members = pd.DataFrame([_figures(*each) for each in made])
    rows = [row for task in params.tasks for row in (*_member_rows(members, task), *_ensemble_rows(task))]
    table = pd.DataFrame(rows).fillna("")
    with writing(paths.SUMMARY.parent) as part:
        part.mkdir()
        _save(part / "summary", table, table, f"# Podium\n\n{{}}\n\n{NOTE}{_warnings(params)}")
        compared = members.dropna(axis=1, how="all")
        _save(part / "comparison", compared, _rounded(compared), f"# Members compared\n\n{{}}\n\n{COMPARISON_NOTE}")
    missing = ", ".join(each[1] for each in named if each not in made)
    return f"{paths.SUMMARY} with {len(table)} rows" + (f", not yet with {missing}," if missing else "")


def _warnings(params: Params) -> str:
    """Return what the audits of the tasks' images warn of, a line each."""
    audits = {task: load_json(path) for task in params.tasks if (path := paths.images(task) / "audit.json").exists()}
    lines = [f"* {task}: {warning}\n" for task, audit in audits.items() for warning in audit.get("warnings", ())]
    return f"\nAbout the images:\n\n{''.join(lines)}" if lines else ""


def _save(stem: Path, table: pd.DataFrame, shown: pd.DataFrame, page: str) -> None:
    table.to_csv(stem.with_suffix(".csv"), index=False)
    stem.with_suffix(".md").write_text(page.format(markdown(shown)), encoding="utf-8")


def _figures(task: str, name: str) -> dict:
    """Return a member's figures; those of training are means over its folds."""
    run_summary = load_json(paths.models(task, name) / "run.json")
    metrics, scores = load_json(paths.predictions(task, name) / "metrics.json"), _scores(task)
    folds = pd.DataFrame(run_summary["runs"]).mean(numeric_only=True)
    return {
        "task": task,
        "member": name,
        "architecture": run_summary["architecture"],
        "layers": run_summary["layers"],
        "parameters": run_summary["parameters"],
        "MFLOPs per image": run_summary["flops"] / 1e6,
        "epochs": folds["epochs"],
        "seconds per epoch": folds["seconds_per_epoch"],
        "training loss": folds["loss"],
        "training accuracy": folds["accuracy"],
        "validation loss": folds.get("val_loss"),
        "validation accuracy": folds.get("val_accuracy"),
        "out-of-fold accuracy": metrics["accuracy"],
        "precision": metrics["precision"],
        "recall": metrics["recall"],
        "F1": metrics["f1"],
        "micro F1": metrics.get("micro_f1"),
        "mean average precision": metrics.get("mean_average_precision"),
        "ROC AUC": metrics["roc_auc"],
        "test accuracy": scores.get("members", {}).get(name),
    }


def _rounded(members: pd.DataFrame) -> pd.DataFrame:
    shown = members.copy()
    for column in shown.columns[3:]:
        digits = 0 if column in ("layers", "parameters", "epochs") else 1 if column in ONE_DIGIT else 4
        shown[column] = ["" if pd.isna(value) else f"{value:,.{digits}f}" for value in shown[column]]
    return shown


def _member_rows(members: pd.DataFrame, task: str) -> list[dict]:
    shown = _rounded(members)
    kept = ["task", "member", "out-of-fold accuracy", "parameters", "epochs", "seconds per epoch"]
    return shown.loc[shown["task"] == task, kept].to_dict("records")


def _scores(task: str) -> dict:
    return load_json(paths.score(task)) if paths.score(task).exists() else {}


def _ensemble_rows(task: str) -> list[dict]:
    if not paths.ensemble(task).exists():
        return []
    made, scores = load_json(paths.ensemble(task) / "ensemble.json"), _scores(task)
    row = {
        "task": task,
        "member": f"ensemble ({made['method']})",
        "out-of-fold accuracy": f"{made['honest_accuracy']:.4f} ± {made['standard_error']:.4f}",
    }
    for part in ("public", "private"):
        if scores.get(part, {}).get("score") is not None:
            row[f"{part} score"] = f"{scores[part]['score']:.4f} ± {scores[part]['standard_error']:.4f}"
    return [row]


if __name__ == "__main__":
    run("report", report)
