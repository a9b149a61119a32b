"""Entries of students: which are refused, and that DVC trains a student after its teacher."""

import itertools
import re
import shutil
import subprocess

import pytest

from pipeline.config.schema import load_params
from pipeline.storage.files import BadInput
from tests.projects import ROOT, environment, member, task, write_params


def student(**changes):
    settings = {"teacher": "m", "share": 0.5, "least_confidence": 0.0}
    return member("blobs", training={"epochs": 1}, pseudo_labels=settings, **changes)


def teacher_clause(**changes):
    return {"students": {"s": student() | changes}}


@pytest.mark.parametrize(
    ("others", "sentence"),
    [
        (
            teacher_clause(pseudo_labels={"teacher": "n"}),
            r"students\.s\.pseudo_labels\.teacher: 'n' is none of .*; these are m",
        ),
        (
            teacher_clause(pseudo_labels={"teacher": "s"}),
            r"students\.s\.pseudo_labels\.teacher: 's' is none of the entries of mem",
        ),
        (
            teacher_clause(pseudo_labels={"teacher": "m", "share": 1}),
            r"students\.s\.pseudo_labels\.share: 1, expected less than 1",
        ),
        (
            teacher_clause(pseudo_labels={"teacher": "m", "share": 0.0}),
            r"pseudo_labels\.share: 0\.0, expected more than 0",
        ),
        (
            teacher_clause(pseudo_labels={"teacher": "m", "least_confidence": 2}),
            r"least_confidence: 2, expected at most 1",
        ),
        (
            teacher_clause(pseudo_labels={"teacher": "m", "hard": True}),
            r"s\.pseudo_labels\.hard: unknown key; legal are teacher,",
        ),
        (teacher_clause(pseudo_labels=None), r"students\.s\.pseudo_labels: missing key, expected in every such entry"),
        (
            teacher_clause(tune={"trials": 3}),
            r"students\.s\.tune: a student is not tuned; expected the options in its entry",
        ),
        (
            teacher_clause(task="other"),
            r"students\.s\.pseudo_labels\.teacher: 'm' is none of .* for task other .*; these are none",
        ),
        (teacher_clause(architecture="cnm"), r"students\.s\.architecture: 'cnm' is not one of"),
        (teacher_clause(preset="report-z"), r"students\.s\.preset: 'report-z' is unknown"),
        ({"students": {"m": student()}}, r"students\.m: another name is expected, as members has an entry of this one"),
        ({"students": {"generate": student()}}, r"generate: another name is expected"),
        (
            {"students": {"s": student(), "t": student() | {"pseudo_labels": {"teacher": "s"}}}},
            r"students\.t\.pseudo_labels\.teacher: 's' is none of the entries of members",
        ),
        ({"members": {"m": student()}}, r"members\.m\.pseudo_labels: expected in an entry of students, not of members"),
        (
            teacher_clause() | {"members": {"m": member("blobs", training={"train_on_all": True})}},
            r"students\.s\.pseudo_labels\.teacher: 'm' is none .* without train_on_all; these are none",
        ),
    ],
)
def test_a_bad_entry_is_one_sentence(tmp_path, others, sentence):
    tasks = {"blobs": task("raw"), "other": task("raw")}
    members = {"m": member("blobs"), "o": member("other", training={"train_on_all": True})}
    write_params(tmp_path, tasks, **({"members": members} | others))
    with pytest.raises(BadInput, match=sentence):
        load_params(tmp_path / "params.yaml")


@pytest.mark.slow
def test_a_student_waits_for_its_teacher_and_is_waited_for(tmp_path):
    for name in ("dvc.yaml", ".dvc/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".dvc/config").write_text("[core]\nno_scm = true\n")
    write_params(tmp_path, {"blobs": task("raw")}, {"m": member("blobs")}, students={"s": student()})
    command = ["dvc", "dag", "--dot"]
    process = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    edges = set(re.findall(r'"(\S+)" -> "(\S+)"', process.stdout))
    way = ["predict@m", "tune-student@s", "train-student@s", "predict-student@s", "ensemble@blobs"]
    assert set(itertools.pairwise(way)) <= edges
