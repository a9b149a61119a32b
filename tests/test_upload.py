"""`submissions.upload` and `submissions.ledger` with the real client, against a server that plays Kaggle."""

import csv
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from pipeline import paths
from submissions import client, ledger, provenance, upload
from submissions.client import KaggleError
from tests.kaggle_project import SUBMISSION, hear_ctrl_c, write_project, write_submission
from tests.kaggle_server import COMPETITION, KEY, RULES, SECRETS, Failure, environment, secrets_in, serve, until
from tests.projects import ROOT

ASKED_FIRST = ["ListSubmissions", "GetSubmissionLimits"]
SENT = ["StartSubmissionUpload", "PUT", "CreateSubmission"]


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """The server, with the working directory a project that can be uploaded to it."""
    kaggle, server = serve()
    for name, value in environment(kaggle.port, str(tmp_path / "home")).items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setattr(ledger, "SETTLE_SECONDS", 0.5)
    monkeypatch.setattr(ledger, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(upload, "FIRST_POLL_SECONDS", 0.1)
    write_project()
    yield kaggle
    server.shutdown()
    server.server_close()
    _no_credentials_in(project)


def _no_credentials_in(folder):
    for path in folder.rglob("*"):
        assert not path.is_file() or not secrets_in(path.read_bytes()), path


def run(capsys, *arguments, command=upload, status=0):
    """Run a command in this process and return what it printed."""
    ended = 0
    try:
        command.main(list(arguments))
    except SystemExit as exit_:
        ended = exit_.code
    printed = capsys.readouterr()
    text = printed.out + printed.err
    assert ended == status, text
    assert not secrets_in(text.encode()) and "Traceback" not in text
    return text


def _sent_by_hand(kaggle, name):
    kaggle.uploads["T"] = (name, b"")
    kaggle.CreateSubmission({"blobFileTokens": "T"})


def lines():
    with paths.LEDGER.open(newline="") as file:
        return list(csv.DictReader(file))


def statuses():
    return [line["status"] for line in lines()]


def test_an_upload_is_recorded_sent_and_confirmed_by_the_listing(kaggle, capsys):
    text = run(capsys, "shoes")
    (held,) = kaggle.submissions
    assert held.data == SUBMISSION.encode()
    assert held.description == "no commit: shoes-resnet 0.75 + shoes-cnn 0.25, out-of-fold 0.8125 ± 0.0123"
    assert kaggle.log == [*ASKED_FIRST, *SENT, "GetSubmissionLimits", "ListSubmissions", "GetLeaderboard"]
    for told in ("submission 1000", "0.75", "place 2 of 3", "0.8125 ± 0.0123", "-0.0625", "public 0.8000", "4 subm"):
        assert told in text
    assert statuses() == ["unknown", "complete"]
    last = lines()[-1]
    assert held.name == f"{last['upload']}.csv" and last["sha256"].startswith(held.name[-16:-4])
    assert (last["ref"], last["public"], last["private"], last["out_of_fold"]) == ("1000", "0.75", "", "0.812500")
    assert last["members"] == "shoes-resnet=0.7500 shoes-cnn=0.2500" and len(last["weights_sha256"]) == 64
    assert not list(Path().rglob("*.part"))


def test_the_commit_is_recorded_and_whether_files_differ_from_it(kaggle, capsys):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    Path(".gitignore").write_text("*.lock\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    Path("dvc.lock").write_text("written by runs")
    assert provenance.commit() == provenance.Commit(commit, "clean")
    Path("new.py").write_text("")
    run(capsys, "shoes")
    assert (lines()[-1]["commit"], lines()[-1]["state"]) == (commit, "dirty")
    assert kaggle.submissions[0].description.startswith(f"{commit[:7]}-dirty: ")


def test_a_message_of_ones_own_is_sent_as_it_is(kaggle, capsys):
    run(capsys, "shoes", '--message=-more, "epochs"')
    assert kaggle.submissions[0].description == lines()[-1]["message"] == '-more, "epochs"'


def test_a_score_is_waited_for_on_request_and_else_found_later(kaggle, capsys):
    kaggle.pending_polls = 2
    assert "public score   not known yet (pending)" in run(capsys, "shoes")
    text = run(capsys, command=ledger)
    assert "pending" in text and statuses() == ["unknown", "pending"]
    assert "| 0.75 " in run(capsys, command=ledger)
    assert statuses() == ["unknown", "pending", "complete"]
    assert "public score   0.75" in run(capsys, "shoes", "--again", "--wait")
    assert len(kaggle.submissions) == 2


def test_what_kaggle_cannot_score_is_an_error(kaggle, capsys):
    kaggle.unscorable = True
    assert "could not score submission 1000" in run(capsys, "shoes", status=1)
    assert statuses() == ["unknown", "error"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Id,Label\n0,5\n1,6\n2,7\n", "3 rows, expected 4"),
        ("Id,Label\n0,5\n1,6\n3,7\n2,5\n", "row 2 .* is id 3, expected 2"),
        ("id,Label\n0,5\n1,6\n2,7\n3,5\n", "columns .*'id', 'Label'"),
        ("Id,Label\n0,5\n1,6\n2,8\n3,5\n", "id 2 has label '8', expected one of 5, 6, 7"),
        ("Id;Label\n0;5\n1;6\n2;7\n3;5\n", "columns .*'Id;Label'"),
        ("Id,Label\n0,5\n1,6,\n2,7\n3,5\n", "row 1 .* has 3 values, expected 2"),
        ("Id,Label\n0,5\n1,\n2,7\n3,5\n", "row 1 .* has no Label"),
        ("", "the file is empty"),
    ],
)
def test_what_differs_from_the_sample_is_refused_before_anything_is_asked(kaggle, capsys, text, expected):
    write_submission(text)
    printed = run(capsys, "shoes", status=1)
    assert printed.startswith("upload: error: submissions/shoes.csv: ") and not kaggle.log
    assert re.search(expected, printed)
    assert not paths.LEDGER.exists()


def test_a_compressed_file_is_refused(kaggle, capsys):
    paths.submission("shoes").write_bytes(b"\x1f\x8b\x08\x00\xff")
    assert "no UTF-8 text" in run(capsys, "shoes", status=1) and not kaggle.log


def test_a_file_that_the_ensemble_did_not_make_claims_no_score(kaggle, capsys):
    write_submission(SUBMISSION.replace("3,5", "3,6"))
    text = run(capsys, "shoes")
    assert "is not the work of the present ensemble" in text and "out-of-fold" not in text
    assert kaggle.submissions[0].description == "no commit: not the work of an ensemble of this state"
    assert lines()[-1]["out_of_fold"] == lines()[-1]["members"] == lines()[-1]["weights_sha256"] == ""


def test_the_same_bytes_go_twice_only_when_told_to(kaggle, capsys):
    run(capsys, "shoes")
    assert "holds this very file already, as submission 1000; --again" in run(capsys, "shoes", status=1)
    paths.LEDGER.unlink()  # another clone of the project
    assert "holds this very file already, as submission 1000; --again" in run(capsys, "shoes", status=1)
    assert len(kaggle.submissions) == 1


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("allowed_a_day", "is left today, after 1; Kaggle's next day begins at 00:00 UTC"),
        ("allowed_in_all", "is left, after 1 in all\n"),
    ],
)
def test_a_limit_is_respected_before_it_is_spent(kaggle, capsys, limit, expected):
    setattr(kaggle, limit, 1)
    _sent_by_hand(kaggle, "other.csv")
    assert f"no submission to {COMPETITION} {expected}" in run(capsys, "shoes", status=1)
    assert kaggle.log == ASKED_FIRST and not paths.LEDGER.exists()


def test_a_refused_file_is_a_failure_though_the_client_ends_well(kaggle, capsys):
    kaggle.failures["PUT"] = [Failure(403)]
    assert "not submitted: Kaggle's storage did not take the file" in run(capsys, "shoes", status=1)
    assert kaggle.submissions == [] and statuses() == ["unknown", "failed"]
    run(capsys, "shoes")  # what Kaggle does not hold may be sent again
    assert len(kaggle.submissions) == 1 and statuses() == ["unknown", "failed", "unknown", "complete"]


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Failure(400, "Submission not allowed: the deadline has passed"), "the deadline has passed"),
        (Failure(401), "Kaggle knows no such user"),
        (Failure(403, RULES), f"accept the rules at https://www.kaggle.com/competitions/{COMPETITION}/rules"),
        (Failure(404, "Competition not found"), "is there a competition at"),
        (Failure(429, "Too many requests"), "wait a minute"),
        (Failure(500, "Internal server error"), "try again later"),
        (Failure(400, f"{KEY} is bad, so is Bearer {KEY[::-1]}"), "Kaggle says '*** is bad, so is Bearer ***'"),
        (Failure(), "the connection broke"),
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
        ("StartSubmissionUpload", Failure(403, RULES), "accept the rules"),
        ("CreateSubmission", Failure(400, "Submission not allowed: the deadline has passed"), "deadline has passed"),
        ("CreateSubmission", Failure(500, "Internal server error"), "try again later"),
        ("CreateSubmission", Failure(), "the connection broke"),
    ],
)
def test_a_failure_of_a_later_step_is_not_a_submission(kaggle, capsys, operation, failure, expected):
    kaggle.failures[operation] = [failure]
    text = run(capsys, "shoes", status=1)
    assert text.startswith("upload: error: not submitted: ") and expected in text and text.count("\n") == 1
    assert kaggle.submissions == [] and statuses() == ["unknown", "failed"]


def test_a_cut_connection_while_the_file_is_sent_is_mended_by_the_client(kaggle, capsys):
    kaggle.failures["PUT"] = [Failure()]
    run(capsys, "shoes")
    assert kaggle.log.count("PUT") == 2 and [held.data for held in kaggle.submissions] == [SUBMISSION.encode()]


def test_a_connection_that_is_cut_again_and_again_is_given_up(kaggle, capsys, monkeypatch):
    monkeypatch.setitem(client.LIMIT_SECONDS, "submit", 3)
    kaggle.failures["PUT"] = [Failure()] * 50
    assert "not submitted: Kaggle did not answer within 3 s" in run(capsys, "shoes", status=1)
    assert kaggle.submissions == [] and statuses() == ["unknown", "failed"] and "PUT" in kaggle.log


def test_a_connection_cut_after_the_submission_is_a_submission(kaggle, capsys):
    kaggle.failures["CreateSubmission"] = [Failure(done=True)]
    assert "holds" in run(capsys, "shoes") and len(kaggle.submissions) == 1
    assert statuses() == ["unknown", "complete"]


def test_an_unknown_outcome_is_settled_from_the_listing_before_anything_is_sent_again(kaggle, capsys):
    kaggle.failures["CreateSubmission"] = [Failure(done=True)]
    kaggle.failures["ListSubmissions"] = [Failure()] * 50
    kaggle.failures["ListSubmissions"][0] = None
    text = run(capsys, "shoes", status=1)
    assert "it is not known whether" in text and statuses() == ["unknown"]
    kaggle.failures.clear()
    assert "holds this very file already" in run(capsys, "shoes", status=1)
    assert len(kaggle.submissions) == 1 and statuses() == ["unknown", "complete"]


def test_success_that_the_listing_does_not_show_is_not_believed(kaggle, capsys):
    kaggle.hidden = True
    assert "listing does not show the submission" in run(capsys, "shoes", status=1)
    assert statuses() == ["unknown", "failed"]
    kaggle.hidden = False  # it only came late
    run(capsys, command=ledger)
    assert statuses() == ["unknown", "failed", "complete"]


def test_a_server_that_never_answers_is_given_up(kaggle, capsys, monkeypatch):
    monkeypatch.setattr(client, "ANSWER_SECONDS", 1)
    kaggle.holds["ListSubmissions"] = threading.Event()
    assert "Kaggle did not answer within 1 s" in run(capsys, "shoes", status=1)
    kaggle.holds["ListSubmissions"].set()


def test_a_slow_server_is_waited_for(kaggle, capsys):
    kaggle.holds["CreateSubmission"] = held = threading.Event()
    threading.Timer(1.5, held.set).start()
    run(capsys, "shoes")
    assert len(kaggle.submissions) == 1


def test_without_a_limit_kaggle_itself_decides(kaggle, capsys):
    kaggle.failures["GetSubmissionLimits"] = [Failure(500, "Internal server error")]
    assert "the daily limit is not known" in run(capsys, "shoes") and len(kaggle.submissions) == 1


def test_more_submissions_than_the_client_lists_by_itself_are_listed(kaggle):
    for number in range(50):
        _sent_by_hand(kaggle, f"{number}.csv")
    assert [each.file for each in client.listing(COMPETITION)] == [f"{number}.csv" for number in range(50)][::-1]


@pytest.mark.parametrize("said", ["", "Welcome to Kaggle", "[{"])
def test_words_that_are_no_table_are_not_taken_for_an_empty_listing(monkeypatch, said):
    monkeypatch.setattr(client, "_run", lambda *_: said)
    with pytest.raises(KaggleError, match="expected JSON"):
        client.listing(COMPETITION)


def test_the_plain_client_takes_the_same_file(kaggle):
    command = ["competitions", "submit", "-c", COMPETITION, "-f", "submissions/shoes.csv", "-m", "first"]
    done = subprocess.run([client._binary(), *command], capture_output=True, text=True, check=True)
    assert "Successfully submitted" in done.stdout
    assert [(held.name, held.data) for held in kaggle.submissions] == [("shoes.csv", SUBMISSION.encode())]


def _started(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "submissions.upload", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, env=environment, start_new_session=True, preexec_fn=hear_ctrl_c, **pipes)


@pytest.mark.parametrize(
    ("operation", "sent"),
    [("ListSubmissions", 0), ("GetSubmissionLimits", 0), ("PUT", 0), ("CreateSubmission", 1)],
)
def test_ctrl_c_leaves_a_whole_ledger_and_sends_nothing_twice(kaggle, capsys, operation, sent):
    kaggle.holds[operation] = held = threading.Event()
    process = _started("shoes")
    until(lambda: operation in kaggle.log)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the command and the client
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and text.strip() == "upload: interrupted; the same command may be run again"
    held.set()
    until(lambda: len(kaggle.submissions) == sent)
    assert not list(Path().rglob("*.part")) and (not paths.LEDGER.exists() or statuses() == ["unknown"])
    if paths.LEDGER.exists():
        run(capsys, "shoes", status=1 if sent else 0)
        assert len(kaggle.submissions) == 1 and statuses()[-1] == "complete"


def test_a_killed_command_whose_client_lives_on_is_waited_for(kaggle, capsys):
    kaggle.holds["CreateSubmission"] = held = threading.Event()
    process = _started("shoes")
    until(lambda: "CreateSubmission" in kaggle.log)
    words = [word for process in psutil.process_iter(["cmdline"]) for word in process.info["cmdline"] or ()]
    assert not any(secret in word for secret in SECRETS for word in words)  # on no command line
    process.kill()
    process.wait()
    assert "is still being sent by an earlier command's client" in run(capsys, "shoes", status=1)
    held.set()
    until(lambda: not client.is_running(lines()[0]["upload"]))
    process.stdout.close()
    assert "holds this very file already" in run(capsys, "shoes", status=1)
    assert len(kaggle.submissions) == 1 and statuses() == ["unknown", "complete"]


def test_one_upload_at_a_time(kaggle, capsys):
    with ledger.uploading():
        assert "another upload, or the ledger command, is at work" in run(capsys, "shoes", status=1)
    assert not kaggle.log


@pytest.mark.parametrize(
    ("key", "competition", "expected"),
    [
        ("boots", COMPETITION, "tasks has no entry 'boots'; it has shoes"),
        ("shoes", None, r"tasks.shoes.competition: missing, expected the last part of the address"),
        ("shoes", "kaggle.com/c/x", r"tasks.shoes.competition: 'kaggle.com/c/x', expected the last part"),
    ],
)
def test_a_task_without_a_competition_is_one_sentence(kaggle, capsys, key, competition, expected):
    text = Path("params.yaml").read_text().replace(f"competition: {COMPETITION}", f"competition: {competition or '~'}")
    Path("params.yaml").write_text(text)
    assert expected in run(capsys, key, status=1)
