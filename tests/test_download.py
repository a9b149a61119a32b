"""`submissions.download` with the real client, against a server that plays Kaggle."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from submissions import download, unpack
from tests import kaggle_project
from tests.kaggle_project import hear_ctrl_c
from tests.kaggle_server import COMPETITION, RULES, TOKEN, Failure, until, zip_bytes
from tests.projects import ROOT, task, write_params

TARGET = Path("data/raw/shoes")
FILES = {"train.csv": b"Id,Label,p\n0,1,2\n", "test.csv": b"Id,p\n5,1\n", "sample.csv": b"Id,Label\n5,0\n"}


@pytest.fixture
def kaggle(kaggle_server):
    """The server, with a project in the working directory whose task is to read its files."""
    kaggle_server.files = dict(FILES)
    write_params(Path(), {"shoes": task("data/replica/shoes", competition=COMPETITION)}, {})
    return kaggle_server


def run(capsys, *arguments, status=0):
    return kaggle_project.run(capsys, "shoes", *arguments, command=download, status=status)


def fetched():
    return {str(path): (TARGET / path).read_bytes() for path in unpack.files_of(TARGET)}


def remains():
    return [path.name for path in TARGET.parent.iterdir() if path.name not in ("shoes", ".shoes.lock")]


def test_files_are_unpacked_and_the_line_to_change_is_named(kaggle, capsys):
    text = run(capsys)
    assert fetched() == FILES and remains() == []
    assert "3 files in data/raw/shoes (sample.csv, test.csv, train.csv), 3 of them new" in text
    number = 1 + Path("params.yaml").read_text().splitlines().index("      folder: data/replica/shoes")
    assert f"line {number}, tasks.shoes.ingest.folder: change data/replica/shoes to data/raw/shoes\n" in text
    assert text.count("line ") == 1
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("data/replica/shoes", str(TARGET)))
    again = run(capsys)
    assert "0 of them new" in again and "the task reads them already" in again


def test_names_that_the_task_does_not_find_are_named_with_their_lines(kaggle, capsys):
    kaggle.files["testX.csv"] = kaggle.files.pop("test.csv")
    number = 1 + Path("params.yaml").read_text().splitlines().index("        images: test.csv")
    assert f"line {number}, tasks.shoes.ingest.test.images: test.csv is not among the files" in run(capsys)


def test_archives_within_the_archive_are_unpacked(kaggle, capsys):
    images = {"train/cat/1.png": b"1", "train/dog/2.png": b"2"}
    kaggle.files = {
        "train.csv.zip": zip_bytes({"train.csv": b"one"}),
        "train.zip": zip_bytes(images | {"__MACOSX/x": b""}),
        "test.zip": zip_bytes({"3.png": b"3", "4.png": b"4"}),
        "labels.csv": b"",
    }
    run(capsys)
    single = {"train.csv": b"one", "test/3.png": b"3", "test/4.png": b"4", "labels.csv": b""}
    assert fetched() == single | images


def test_the_only_file_of_a_competition_keeps_its_name(kaggle, capsys):
    kaggle.files, kaggle.archive = {"everything.csv": b"a,b\n"}, ("csv", b"a,b\n")
    run(capsys)
    assert fetched() == kaggle.files


def test_a_differing_file_of_the_users_is_kept_unless_told_otherwise(kaggle, capsys):
    TARGET.mkdir(parents=True)
    (TARGET / "test.csv").write_bytes(b"mine")
    (TARGET / "notes.txt").write_bytes(b"mine too")
    text = run(capsys, status=1)
    assert "data/raw/shoes/test.csv: not the same as Kaggle's, and nothing was replaced" in text
    assert fetched() == {"test.csv": b"mine", "notes.txt": b"mine too"}
    run(capsys, "--overwrite")
    assert fetched() == FILES | {"notes.txt": b"mine too"} and remains() == []
    assert kaggle.log.count("GET") == 2  # the client asks for the archive's date, and has it already


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Failure(401), "run `kaggle auth login`, or save a token"),
        (Failure(403, RULES), f"accept the rules at https://www.kaggle.com/competitions/{COMPETITION}/rules"),
        (
            Failure(404, "Competition not found"),
            f"is there a competition at https://www.kaggle.com/competitions/{COMPETITION}",
        ),
        (Failure(429, "Too many requests"), "wait a minute"),
        (Failure(500, "Internal server error"), "try again later"),
        (Failure(), "Kaggle cannot be reached, or the connection broke; check the network"),
    ],
)
def test_a_failure_is_one_sentence_that_says_what_to_do(kaggle, capsys, failure, expected):
    kaggle.failures["DownloadDataFiles"] = [failure]
    text = run(capsys, status=1)
    assert text.startswith("download: error: ") and expected in text and text.count("\n") == 1
    assert not TARGET.exists()


def test_without_credentials_it_is_said_how_to_get_them(kaggle, capsys, monkeypatch):
    monkeypatch.delenv("KAGGLE_KEY")
    assert "there are no credentials, or it refused them; run `kaggle auth login`" in run(capsys, status=1)
    assert not kaggle.log


@pytest.mark.slow
def test_a_token_will_do_unless_kaggle_refuses_it(kaggle, capsys, monkeypatch):
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name)
    saved = Path.home() / ".kaggle" / "access_token"
    saved.parent.mkdir(parents=True)
    saved.write_text(TOKEN)
    run(capsys)
    assert fetched() == FILES
    saved.write_text("KGAT_expired")
    text = run(capsys, status=1)
    assert "it refused them; run `kaggle auth login`" in text and text.count("\n") == 1
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    run(capsys)


def test_the_signature_of_a_refused_address_is_not_printed(kaggle, capsys):
    kaggle.failures["GET"] = [Failure(403)]
    assert "403 Client Error: Forbidden for url" in run(capsys, status=1)


def test_without_a_network_it_is_said_so(kaggle, capsys, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert "Kaggle cannot be reached" in run(capsys, status=1)


def test_a_cut_download_goes_on_where_it_was(kaggle, capsys):
    kaggle.files["train.csv"] = os.urandom(3_000_000)
    kaggle.failures["GET"] = [Failure(after_bytes=2_000_000)]
    run(capsys)
    assert fetched() == kaggle.files


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"<html>Log in", "is not readable as zip"),
        (zip_bytes(FILES)[:-30], "is not readable as zip"),
        (zip_bytes({"../params.yaml": b"evil"}), "leads out of its folder"),
        (zip_bytes({"a.zip": b"no zip"}), "a.zip is not readable as zip"),
    ],
)
def test_a_broken_archive_leaves_nothing(kaggle, capsys, data, expected):
    kaggle.archive = ("zip", data)
    assert expected in run(capsys, status=1)
    assert not TARGET.exists() and remains() == []


def test_an_archive_that_unpacks_to_more_than_the_disk_holds_is_refused(kaggle, capsys, monkeypatch):
    monkeypatch.setattr(unpack.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    assert "unpacks to 0.0 GiB, expected no more than the 0.0 GiB that are free" in run(capsys, status=1)
    assert not TARGET.exists() and remains() == []


@pytest.mark.slow
def test_ctrl_c_leaves_no_file_and_the_next_run_goes_on(kaggle, capsys):
    kaggle.files["train.csv"] = os.urandom(3_000_000)
    kaggle.failures["GET"] = [Failure(after_bytes=2_000_000)]
    kaggle.gates["the rest"] = gate = threading.Event()
    command = [sys.executable, "-m", "submissions.download", "shoes"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=surroundings, start_new_session=True, preexec_fn=hear_ctrl_c, **pipes)
    archive = TARGET.with_name(".shoes.download") / f"{COMPETITION}.zip"
    until(lambda: archive.exists() and archive.stat().st_size > 0)
    os.killpg(process.pid, signal.SIGINT)
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and text.strip() == "download: interrupted; the same command may be run again"
    assert not TARGET.exists()
    gate.set()
    run(capsys)
    assert fetched() == kaggle.files and remains() == [] and kaggle.starts[-1] > 0


def test_on_a_terminal_the_progress_is_shown(kaggle, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert "%|" in run(capsys) and fetched() == FILES
    kaggle.failures["DownloadDataFiles"] = [Failure(403, RULES)]
    assert run(capsys, status=1).strip().count("\n") == 0


def test_a_folder_on_another_disk_is_filled_from_there(kaggle, capsys, tmp_path):
    disk = tmp_path / "disk"
    (disk / "shoes").mkdir(parents=True)
    TARGET.parent.mkdir(parents=True)
    TARGET.symlink_to(disk / "shoes")
    run(capsys)
    assert fetched() == FILES and list(TARGET.parent.iterdir()) == [TARGET]  # nothing waited elsewhere


def test_one_download_at_a_time(kaggle, capsys):
    TARGET.parent.mkdir(parents=True)
    with FileLock(TARGET.with_name(".shoes.lock")):
        assert "another download to data/raw/shoes is running" in run(capsys, status=1)
    assert not kaggle.log
