"""Stage `report`: every score with its interval, as numbers in the CSV and as one cell in the page."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.config.schema import load_params
from pipeline.report import report
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from pipeline.storage.predictions import Predictions, save_predictions
from tests.projects import member, task, write_params, write_task

SURE = {"low": 0.9662560, "high": 1.0}
SCORE = {"metric": "accuracy", "score": 1.0, **SURE}


def write(path: Path, value: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


@pytest.fixture
def params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(Path(), {"shoes": task("raw")}, {"shoes-a": member("shoes")})
    return load_params(paths.PARAMS)


def write_results() -> None:
    columns = {"loss": 0.1, "accuracy": 0.9, "val_loss": 0.2, "val_accuracy": 0.8}
    run = {"name": "fold-0", "epochs": 3, "best_epoch": 1, **columns}
    size = {"architecture": "fast", "layers": 8, "parameters": 1234, "flops": 2e6}
    write(paths.models("shoes", "shoes-a") / "run.json", {**size, "runs": [run]})
    pd.DataFrame([{"epoch": 1, **columns}]).to_csv(paths.models("shoes", "shoes-a") / "fold-0.csv", index=False)
    write_task("shoes", ["heel", "boot"], [0, 1])
    np.save(paths.images("shoes") / "train_ids.npy", np.arange(2))
    paths.folds("shoes").write_text("id,fold\n0,0\n1,1\n")
    paths.ensemble("shoes").mkdir()
    oof = Predictions(np.arange(2), np.eye(2), ["heel", "boot"], np.arange(2))
    save_predictions(paths.ensemble("shoes") / "oof.npz", oof)
    write(paths.times("shoes", "shoes-a"), {"seconds_per_epoch": {"fold-0": 0.51}})
    write(paths.test_times("shoes", "shoes-a"), {"seconds_to_test": 1.25})
    means = {"precision": 1.0, "recall": 1.0, "f1": 1.0, "roc_auc": None}
    write(paths.predictions("shoes", "shoes-a") / "metrics.json", {"rows": 110, **SCORE, "accuracy": 1.0, **means})
    write(paths.ensemble("shoes") / "ensemble.json", SCORE | {"method": "mean", "honest_score": 1.0})
    unknown = {"score": None, "low": None, "high": None, "rows": 0}
    known = {"score": 1.0, **SURE, "rows": 110}
    write(
        paths.score("shoes"), {"public": unknown, "private": known, "members": {"shoes-a": {**known, "log_loss": 0.05}}}
    )


def test_scores_have_their_intervals(params):
    write_results()
    report(params)
    lines = paths.SUMMARY.read_text().splitlines()
    header, one, together = (line for line in lines if line.startswith("|") and "--" not in line)
    assert [cell.strip() for cell in header.split("|")[1:-1]] == [
        "task", "member", "metric", "out-of-fold score", "parameters", "epochs", "seconds per epoch", "private score",
    ]  # fmt: skip
    assert "| 1.0000 (0.9663 to 1.0000) | 1,234      | 3      | 0.5 " in one
    assert together.count("1.0000 (0.9663 to 1.0000)") == 2
    rows = pd.read_csv(paths.SUMMARY.with_suffix(".csv"))
    for column in ("out-of-fold score", "private score"):
        ensemble = rows.loc[1, [column, f"{column} low", f"{column} high"]]
        assert ensemble.tolist() == [1.0, pytest.approx(0.966256), 1.0]
    compared = pd.read_csv(paths.SUMMARY.with_name("comparison.csv"))
    assert compared.loc[0, ["test loss", "seconds to test"]].tolist() == [0.05, 1.25]
    assert compared.loc[0, "test score low"] == pytest.approx(0.966256) and "ROC AUC" not in compared
    assert "1.0000 (0.9663 to 1.0000)" in paths.SUMMARY.with_name("comparison.md").read_text()


def test_the_page_repeats_what_the_audit_warns_of(params):
    write_results()
    write(paths.images("shoes") / "audit.json", {"warnings": ["2 of 9 train images have one colour only"]})
    report(params)
    assert "* shoes: 2 of 9 train images have one colour only\n" in paths.SUMMARY.read_text()


def test_without_any_results_there_is_nothing_to_show(params):
    with pytest.raises(BadInput, match="no task has data yet"):
        report(params)
