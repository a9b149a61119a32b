"""`submissions.upload` when Kaggle refuses, breaks off or stays silent, and when the command itself is ended."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from pipeline.storage import paths
from submissions import client, ledger
from tests.kaggle_project import SUBMISSION, hear_ctrl_c, lines, run, statuses
from tests.kaggle_server import COMPETITION, KEY, RULES, SECRETS, Failure, until
from tests.projects import ROOT

pytestmark = pytest.mark.slow


def nightly(*values):
    """Return the parameters of a test that resembles its neighbours."""
    return pytest.param(*values, marks=pytest.mark.nightly)


def test_a_refused_file_is_a_failure_though_the_client_ends_well(kaggle, capsys):
    kaggle.failures["PUT"] = [Failure(403)]
    assert "not submitted: Kaggle's storage did not take the file" in run(capsys, "shoes", status=1)
    assert kaggle.submissions == [] and statuses() == ["unknown", "failed"]
    run(capsys, "shoes")  # what Kaggle does not hold may be sent again
    assert len(kaggle.submissions) == 1 and statuses() == ["unknown", "failed", "unknown", "complete"]


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Failure(403, RULES), f"accept the rules at https://www.kaggle.com/competitions/{COMPETITION}/rules"),
        (Failure(400, f"{KEY} is bad, so is Bearer {KEY[::-1]}"), "Kaggle says '*** is bad, so is Bearer ***'"),
        (Failure(), "the connection broke"),
        nightly(Failure(400, "Submission not allowed: the deadline has passed"), "the deadline has passed"),
        nightly(Failure(401), "Kaggle knows no such user"),
        nightly(Failure(404, "Competition not found"), "is there a competition at"),
        nightly(Failure(429, "Too many requests"), "wait a minute"),
        nightly(Failure(500, "Internal server error"), "try again later"),
    ],
)
def test_a_failure_is_one_sentence_and_no_submission(kaggle, capsys, failure, expected):
    kaggle.failures["ListSubmissions"] = [failure]
    text = run(capsys, "shoes", status=1)
    assert text.startswith("upload: error: ") and expected in text and text.count("\n") == 1
    assert kaggle.log == ["ListSubmissions"] and not paths.LEDGER.exists()


@pytest.mark.parametrize(
    ("operation", "failure", "expected"),
    [
        nightly("StartSubmissionUpload", Failure(403, RULES), "accept the rules"),
        ("CreateSubmission", Failure(400, "Submission not allowed: the deadline has passed"), "deadline has passed"),
    ],
)
def test_a_failure_of_a_later_step_is_not_a_submission(kaggle, capsys, operation, failure, expected):
    kaggle.failures[operation] = [failure]
    text = run(capsys, "shoes", status=1)
    assert text.startswith("upload: error: not submitted: ") and expected in text and text.count("\n") == 1
    assert kaggle.submissions == [] and statuses() == ["unknown", "failed"]


@pytest.mark.parametrize(
    ("failure", "expected"),
    [nightly(Failure(500, "Internal server error"), "try again later"), (Failure(), "the connection broke")],
)
def test_an_unclear_failure_may_yet_be_a_submission(kaggle, capsys, failure, expected):
    kaggle.failures["CreateSubmission"] = [failure]
    text = run(capsys, "shoes", status=1)
    assert text.startswith("upload: error: not listed yet: ") and expected in text and text.count("\n") == 1
    assert kaggle.submissions == [] and statuses() == ["unknown", "unlisted"]


def test_a_cut_connection_while_the_file_is_sent_is_mended_by_the_client(kaggle, capsys):
    kaggle.failures["PUT"] = [Failure()]
    run(capsys, "shoes")
    assert kaggle.log.count("PUT") == 2 and [submission.data for submission in kaggle.submissions] == [
        SUBMISSION.encode()
    ]


def test_a_connection_that_is_cut_again_and_again_is_given_up(kaggle, capsys, monkeypatch):
    monkeypatch.setitem(client.LIMIT_SECONDS, "submit", 3)
    kaggle.failures["PUT"] = [Failure()] * 50
    assert "(Kaggle did not answer within 3 s" in run(capsys, "shoes", status=1)
    assert kaggle.submissions == [] and statuses() == ["unknown", "unlisted"] and "PUT" in kaggle.log


def test_a_connection_cut_after_the_submission_is_a_submission(kaggle, capsys):
    kaggle.failures["CreateSubmission"] = [Failure(carried_out=True)]
    assert "holds" in run(capsys, "shoes") and len(kaggle.submissions) == 1
    assert statuses() == ["unknown", "complete"]


def test_an_unknown_outcome_is_settled_from_the_listing_before_anything_is_sent_again(kaggle, capsys):
    kaggle.failures["CreateSubmission"] = [Failure(carried_out=True)]
    kaggle.failures["ListSubmissions"] = [Failure()] * 50
    kaggle.failures["ListSubmissions"][0] = None
    text = run(capsys, "shoes", status=1)
    assert "it is not known whether" in text and statuses() == ["unknown"]
    kaggle.failures.clear()
    assert "already has this file" in run(capsys, "shoes", status=1)
    assert len(kaggle.submissions) == 1 and statuses() == ["unknown", "complete"]


def test_success_that_the_listing_does_not_show_is_not_believed(kaggle, capsys):
    kaggle.hidden = True
    text = run(capsys, "shoes", status=1)
    assert "not listed yet: Kaggle does not show shoes-" in text and "`python -m submissions.ledger`" in text
    assert "not submitted" not in text and statuses() == ["unknown", "unlisted"]
    kaggle.hidden = False  # it only came late
    run(capsys, command=ledger)
    assert statuses() == ["unknown", "unlisted", "complete"]


def test_the_reason_of_kaggle_is_shown_where_a_submission_cannot_be_scored(kaggle, capsys):
    kaggle.unscorable = True
    kaggle.reason = "Evaluation Exception: Submission must have 7 rows\n\x1b[31m(found 4)"
    reason = "Kaggle says Evaluation Exception: Submission must have 7 rows \\x1b[31m(found 4)"
    text = run(capsys, "shoes", status=1)
    assert f"could not score submission 1000: {reason}" in text and statuses() == ["unknown", "error"]
    assert f"submission 1000 was not scored: {reason}" in run(capsys, command=ledger)
    kaggle.reason = ""
    assert f"submission 1000 was not scored: see the submissions page of {COMPETITION} on Kaggle" in run(
        capsys, command=ledger
    )


def test_a_server_that_never_answers_is_given_up(kaggle, capsys, monkeypatch):
    monkeypatch.setattr(client, "ANSWER_SECONDS", 1)
    kaggle.gates["ListSubmissions"] = threading.Event()
    assert "Kaggle did not answer within 1 s" in run(capsys, "shoes", status=1)
    kaggle.gates["ListSubmissions"].set()


def test_a_slow_server_is_waited_for(kaggle, capsys):
    kaggle.gates["CreateSubmission"] = gate = threading.Event()
    threading.Timer(1.5, gate.set).start()
    run(capsys, "shoes")
    assert len(kaggle.submissions) == 1


def _started(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "submissions.upload", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, env=environment, start_new_session=True, preexec_fn=hear_ctrl_c, **pipes)


@pytest.mark.parametrize(
    ("operation", "sent"),
    [nightly("ListSubmissions", 0), nightly("GetSubmissionLimits", 0), ("PUT", 0), ("CreateSubmission", 1)],
)
def test_ctrl_c_leaves_a_whole_ledger_and_sends_nothing_twice(kaggle, capsys, operation, sent):
    kaggle.gates[operation] = gate = threading.Event()
    process = _started("shoes")
    until(lambda: operation in kaggle.log)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the command and the client
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and text.strip() == "upload: interrupted; the same command may be run again"
    gate.set()
    until(lambda: len(kaggle.submissions) == sent)
    assert not list(Path().rglob("*.part")) and (not paths.LEDGER.exists() or statuses() == ["unknown"])
    if paths.LEDGER.exists():
        run(capsys, "shoes", status=1 if sent else 0)
        assert len(kaggle.submissions) == 1 and statuses()[-1] == "complete"


def test_a_killed_command_whose_client_lives_on_is_waited_for(kaggle, capsys):
    kaggle.gates["CreateSubmission"] = gate = threading.Event()
    process = _started("shoes")
    until(lambda: "CreateSubmission" in kaggle.log)
    words = [word for process in psutil.process_iter(["cmdline"]) for word in process.info["cmdline"] or ()]
    assert not any(secret in word for secret in SECRETS for word in words)  # on no command line
    process.kill()
    process.wait()
    assert "is still being sent by an earlier command's client" in run(capsys, "shoes", status=1)
    gate.set()
    until(lambda: not client.is_running(lines()[0]["upload"]))
    process.stdout.close()
    assert "already has this file" in run(capsys, "shoes", status=1)
    assert len(kaggle.submissions) == 1 and statuses() == ["unknown", "complete"]


def test_one_upload_at_a_time(kaggle, capsys):
    with ledger.uploading():
        assert "another upload, or the ledger command, is running" in run(capsys, "shoes", status=1)
    assert not kaggle.log
