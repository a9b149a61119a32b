"""`submissions.upload` and `submissions.ledger` with the real client and a server that plays Kaggle: what is sent."""

import re
import subprocess
from pathlib import Path

import pytest

from pipeline.storage import paths
from submissions import client, ledger, provenance
from submissions.client import KaggleError
from tests.kaggle_project import SUBMISSION, lines, run, statuses, write_submission
from tests.kaggle_server import COMPETITION, Failure, add_submission

ASKED_FIRST = ["ListSubmissions", "GetSubmissionLimits"]
SENT = ["StartSubmissionUpload", "PUT", "CreateSubmission"]


def test_an_upload_is_recorded_sent_and_confirmed_by_the_listing(kaggle, capsys):
    text = run(capsys, "shoes")
    (submission,) = kaggle.submissions
    assert submission.data == SUBMISSION.encode()
    members = "shoes-resnet 0.75 + shoes-cnn 0.25"
    assert submission.description == f"no commit: {members}, out-of-fold accuracy 0.8125 (0.7874 to 0.8353)"
    assert kaggle.log == [*ASKED_FIRST, *SENT, "GetSubmissionLimits", "ListSubmissions", "GetLeaderboard"]
    own = "0.8125 (0.7874 to 0.8353)"
    for fragment in ("submission 1000", "0.75", "place 2 of 3", own, "-0.0625", "public 0.8000", "4 subm"):
        assert fragment in text
    assert statuses() == ["unknown", "complete"]
    last = lines()[-1]
    assert submission.name == f"{last['upload']}.csv" and last["sha256"].startswith(submission.name[-16:-4])
    assert (last["ref"], last["public"], last["private"], last["out_of_fold"]) == ("1000", "0.75", "", "0.812500")
    assert (last["low"], last["high"]) == ("0.787400", "0.835300")
    assert last["members"] == "shoes-resnet=0.7500 shoes-cnn=0.2500" and len(last["weights_sha256"]) == 64
    assert not list(Path().rglob("*.part"))


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_message_of_ones_own_is_sent_as_it_is(kaggle, capsys):
    run(capsys, "shoes", '--message=-more, "epochs"')
    assert kaggle.submissions[0].description == lines()[-1]["message"] == '-more, "epochs"'


@pytest.mark.slow
def test_a_score_is_waited_for_on_request_and_else_found_later(kaggle, capsys):
    kaggle.pending_polls = 2
    assert "public score   not known yet (pending)" in run(capsys, "shoes")
    text = run(capsys, command=ledger)
    assert "pending" in text and statuses() == ["unknown", "pending"]
    assert "| 0.75 " in run(capsys, command=ledger)
    assert statuses() == ["unknown", "pending", "complete"]
    assert "public score   0.75" in run(capsys, "shoes", "--again", "--wait")
    assert len(kaggle.submissions) == 2


@pytest.mark.slow
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
    assert "was not made by the current ensemble" in text and "out-of-fold" not in text
    assert kaggle.submissions[0].description == "no commit: not made by the current ensemble"
    assert lines()[-1]["out_of_fold"] == lines()[-1]["members"] == lines()[-1]["weights_sha256"] == ""


@pytest.mark.slow
def test_the_same_bytes_go_twice_only_when_told_to(kaggle, capsys):
    run(capsys, "shoes")
    assert "already has this file, as submission 1000; --again" in run(capsys, "shoes", status=1)
    paths.LEDGER.unlink()  # another clone of the project
    assert "already has this file, as submission 1000; --again" in run(capsys, "shoes", status=1)
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
    add_submission(kaggle, "other.csv")
    assert f"no submission to {COMPETITION} {expected}" in run(capsys, "shoes", status=1)
    assert kaggle.log == ASKED_FIRST and not paths.LEDGER.exists()


@pytest.mark.slow
def test_without_a_limit_kaggle_itself_decides(kaggle, capsys):
    kaggle.failures["GetSubmissionLimits"] = [Failure(500, "Internal server error")]
    assert "the daily limit is not known" in run(capsys, "shoes") and len(kaggle.submissions) == 1


def test_more_submissions_than_the_client_lists_by_itself_are_listed(kaggle):
    for number in range(50):
        add_submission(kaggle, f"{number}.csv")
    names = [submission.file for submission in client.listing(COMPETITION)]
    assert names == [f"{number}.csv" for number in range(50)][::-1]


@pytest.mark.parametrize("output", ["", "Welcome to Kaggle", "[{"])
def test_words_that_are_no_table_are_not_taken_for_an_empty_listing(monkeypatch, output):
    monkeypatch.setattr(client, "_run", lambda *_: output)
    with pytest.raises(KaggleError, match="expected JSON"):
        client.listing(COMPETITION)


def test_the_plain_client_takes_the_same_file(kaggle):
    command = ["competitions", "submit", "-c", COMPETITION, "-f", "submissions/shoes.csv", "-m", "first"]
    process = subprocess.run([client._binary(), *command], capture_output=True, text=True, check=True)
    assert "Successfully submitted" in process.stdout
    assert [(submission.name, submission.data) for submission in kaggle.submissions] == [
        ("shoes.csv", SUBMISSION.encode())
    ]


@pytest.mark.parametrize(
    ("key", "competition", "expected"),
    [
        ("boots", COMPETITION, "tasks has no entry 'boots'; it has shoes"),
        ("shoes", None, r"tasks.shoes.competition: missing, expected the last part of the address"),
        ("shoes", "kaggle.com/c/x", r"tasks.shoes.competition: 'kaggle.com/c/x', expected "),
    ],
)
def test_a_task_without_a_competition_is_one_sentence(kaggle, capsys, key, competition, expected):
    text = Path("params.yaml").read_text().replace(f"competition: {COMPETITION}", f"competition: {competition or '~'}")
    Path("params.yaml").write_text(text)
    assert expected in run(capsys, key, status=1)
