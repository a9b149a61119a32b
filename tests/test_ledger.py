"""The ledger as a file: whole at any moment, each upload told by its last line."""

import csv
import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.storage import paths
from pipeline.storage.files import BadInput
from submissions import ledger
from submissions.client import ListedSubmission
from submissions.ledger import append, load, update
from submissions.rules.uploads import COLUMNS, Entry, agreement
from tests.projects import environment

ENTRY = Entry(**dict.fromkeys(COLUMNS, ""))


def entry(number, **changes):
    return dataclasses.replace(ENTRY, upload=f"t-{number}", task="t", status="unknown", **changes)


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_last_line_of_an_upload_holds_and_none_is_lost():
    first, second = append(entry(1)), append(entry(2, message='a "b",\nc'))
    before = paths.LEDGER.read_bytes()
    later = append(dataclasses.replace(first, status="complete"))
    assert load() == [later, second]
    assert paths.LEDGER.read_bytes().startswith(before)
    assert len(list(csv.DictReader(paths.LEDGER.open(newline="")))) == 3


@given(message=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_any_message_is_read_as_it_was_written(message):
    paths.LEDGER.unlink(missing_ok=True)
    written = append(entry(1, message=message))
    assert load() == [written]


def test_a_line_that_an_editor_left_open_is_not_joined_to_the_next():
    append(entry(1))
    paths.LEDGER.write_bytes(paths.LEDGER.read_bytes().rstrip(b"\n"))
    append(entry(2))
    assert [upload.upload for upload in load()] == ["t-1", "t-2"]


def test_a_ledger_that_a_spreadsheet_saved_is_read_and_added_to():
    first = append(entry(1))
    paths.LEDGER.write_bytes(b"\xef\xbb\xbf" + paths.LEDGER.read_bytes().replace(b"\n", b"\r\n"))
    second = append(entry(2))
    assert load() == [first, second]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("when,what\n", r"submissions/ledger.csv: columns when, what, expected time, upload"),
        (",".join(COLUMNS) + "\na,b\n", r"submissions/ledger.csv: entry 2 has 2 values, expected 18"),
        ("", r"submissions/ledger.csv: columns , expected"),
        ("a" * 200_000, r"submissions/ledger.csv: not readable as CSV"),
    ],
)
def test_another_file_is_refused(text, expected):
    paths.LEDGER.parent.mkdir()
    paths.LEDGER.write_text(text)
    with pytest.raises(BadInput, match=expected):
        load()


@pytest.mark.parametrize("newer", [("low", "high", "metric"), ("metric",)])
def test_an_older_ledger_is_read_and_added_to(newer):
    paths.LEDGER.parent.mkdir()
    older = [name for name in COLUMNS if name not in newer]
    paths.LEDGER.write_text(",".join(older) + "\n" + ",".join(["x"] * len(older)) + "\n")
    append(entry(1, out_of_fold="0.5", low="0.4", high="0.6"))
    first, second = load()
    assert (first.out_of_fold, first.metric, first.status) == ("x", "", "x")
    assert (second.out_of_fold, second.metric, second.status) == ("0.5", "", "unknown")


def test_an_out_of_fold_score_is_shown_with_its_interval(capsys):
    append(entry(1, out_of_fold="1.000000", low="0.966256", high="1.000000", public="0.9", private="0.9"))
    Path("params.yaml").write_text("{tasks: {}, members: {}}")
    ledger.main([])
    assert "| 1.0000 (0.9663 to 1.0000) |" in capsys.readouterr().out


def test_two_processes_at_once_lose_no_line():
    code = (
        "import sys; from submissions.ledger import append; from submissions.rules.uploads import COLUMNS, Entry\n"
        "for number in range(40): append(Entry(**dict.fromkeys(COLUMNS, f'{sys.argv[1]}-{number}')))"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, name], env=environment()) for name in "ab"]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert sorted(upload.upload for upload in load()) == sorted(f"{name}-{i}" for name in "ab" for i in range(40))
    assert not list(Path().rglob("*.part"))


def test_a_line_that_cannot_be_written_leaves_the_ledger_as_it_was(monkeypatch):
    append(entry(1))
    before = paths.LEDGER.read_bytes()

    def interrupted(self, data):
        with self.open("wb") as file:
            file.write(data[:-5])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        append(entry(2))
    assert paths.LEDGER.read_bytes() == before and not list(Path().rglob("*.part"))


def test_an_upload_is_known_by_its_name_and_news_alone_is_written():
    listing = [
        ListedSubmission("7", "t-2.csv", "complete", "0.5", ""),
        ListedSubmission("8", "t-1.csv", "pending", "", ""),
    ]
    first = append(entry(1))
    newer = update(first, listing)
    assert newer == dataclasses.replace(first, ref="8", status="pending")
    assert update(newer, listing) == newer == update(newer, []) and len(paths.LEDGER.read_text().splitlines()) == 3


def test_agreement_takes_three_uploads_that_differ():
    scored = [entry(i, out_of_fold=str(own), public=str(own - 0.1)) for i, own in enumerate((0.5, 0.6, 0.9))]
    assert agreement(scored) == (
        "3 uploads with out-of-fold and public score, public minus out-of-fold -0.1000 on average, correlation 1.00"
    )
    assert agreement(scored[:2]).endswith("a correlation needs three that differ")
    assert agreement([scored[0]] * 3).endswith("a correlation needs three that differ")
    assert agreement([entry(9)]) == "0 uploads with out-of-fold and public score; a correlation needs three that differ"


def test_what_is_no_score_or_no_text_is_one_sentence(capsys):
    append(entry(1, out_of_fold="0.5", public="n/a", private="n/a"))
    Path("params.yaml").write_text("{tasks: {}, members: {}}")
    with pytest.raises(SystemExit, match="1"):
        ledger.main([])
    assert "ledger: error: submissions/ledger.csv: could not convert string to float: 'n/a'" in capsys.readouterr().err
    with pytest.raises(BadInput, match=r"submissions/ledger.csv: .*surrogates not allowed"):
        append(entry(1, message="gr\udcfcn"))  # Latin-1 on the command line


def test_an_unknown_outcome_gets_its_time_however_long_ago_it_was_begun(monkeypatch):
    listings = iter([[], [], [ListedSubmission("7", "t-1.csv", "complete", "0.5", "")]])
    monkeypatch.setattr(ledger.client, "listing", lambda _: next(listings))
    monkeypatch.setattr(ledger, "POLL_SECONDS", 0)
    append(entry(1, competition="c", time="2026-01-02T03:04:05+00:00"))
    entries, _ = ledger.settle_all("c")
    assert [upload.status for upload in entries] == ["complete"]


def test_an_empty_ledger_is_said_to_be_so(capsys):
    Path("params.yaml").write_text("{tasks: {}, members: {}}")
    ledger.main([])
    assert capsys.readouterr().out == "no uploads in submissions/ledger.csv yet\n"
