"""A project with a finished task, ready for an upload to `kaggle_server`, and its commands."""

import csv
import json
import signal
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pipeline.storage import paths
from pipeline.storage.predictions import Predictions, save_predictions
from submissions import ledger, upload
from tests.kaggle_server import COMPETITION, secrets_in
from tests.projects import task, write_params, write_task

SUBMISSION = "Id,Label\n0,5\n1,6\n2,7\n3,5\n"


def write_project() -> None:
    """Write the files of a finished task `shoes` into the working directory, as far as the commands read them."""
    tasks = {"shoes": task("data/replica/shoes", competition=COMPETITION)}
    write_params(Path(), tasks, {})
    Path("data/replica/shoes").mkdir(parents=True)
    Path("data/replica/shoes/sample.csv").write_text("Id,Label\n0,5\n1,5\n2,5\n3,5\n")
    paths.ensemble("shoes").mkdir(parents=True)
    probabilities = np.eye(3)[[0, 1, 2, 0]]
    save_predictions(paths.ensemble("shoes") / "test.npz", Predictions(np.arange(4), probabilities, [5, 6, 7]))
    summary = {
        "weights": {"shoes-cnn": 0.25, "shoes-resnet": 0.75, "shoes-vgg": 0.0},
        "temperatures": {"shoes-cnn": 1.0, "shoes-resnet": 1.5, "shoes-vgg": 1.0},
        "metric": "accuracy",
        "decision": {"rule": "most_probable", "values": []},
        "honest_score": 0.8125,
        "low": 0.7874,
        "high": 0.8353,
    }
    write_task("shoes", [5, 6, 7])
    (paths.ensemble("shoes") / "ensemble.json").write_text(json.dumps(summary))
    paths.models("shoes", "shoes-cnn").mkdir(parents=True)
    (paths.models("shoes", "shoes-cnn") / "fold-0.keras").write_bytes(b"weights")
    paths.score("shoes").write_text(json.dumps({"public": {"score": 0.8, "rows": 5}, "private": {"rows": 0}}))
    write_submission(SUBMISSION)


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands poll the server every tenth of a second."""
    monkeypatch.setattr(ledger, "SETTLE_SECONDS", 0.5)
    monkeypatch.setattr(ledger, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(upload, "FIRST_POLL_SECONDS", 0.1)


def write_submission(text: str) -> None:
    """Write the submission of `shoes`."""
    paths.submission("shoes").parent.mkdir(exist_ok=True)
    paths.submission("shoes").write_text(text)


def hear_ctrl_c() -> None:
    """Let a command that is about to start react to SIGINT. Tests in the background of a script ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(capsys: pytest.CaptureFixture, *arguments: str, command: ModuleType = upload, status: int = 0) -> str:
    """Run a command in this process and return what it printed."""
    exit_status = 0
    try:
        command.main(list(arguments))
    except SystemExit as exit_:
        exit_status = exit_.code
    printed = capsys.readouterr()
    text = printed.out + printed.err
    assert exit_status == status, text
    assert not secrets_in(text.encode()) and "Traceback" not in text
    return text


def lines() -> list[dict[str, str]]:
    """Return the ledger's lines."""
    with paths.LEDGER.open(newline="") as file:
        return list(csv.DictReader(file))


def statuses() -> list[str]:
    """Return the status of each of the ledger's lines."""
    return [line["status"] for line in lines()]
