"""Stage `submission`: the sample's form, the ensemble's labels, every id exactly once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.labels.metrics.registry import ACCURACY
from pipeline.config.schema import Ingest, Params, Split, Task
from pipeline.storage import paths
from pipeline.storage.files import BadInput, save_json
from pipeline.storage.predictions import Predictions, save_predictions
from pipeline.submission import submission
from submissions.rules.build import MOST_PROBABLE, build
from submissions.rules.check import check
from submissions.rules.forms import Form
from tests.projects import write_task

LABELS = Form("label", "id", ("class",), ("a", "b"))
SUBMISSION = Path("submissions/t.csv")


def _params() -> Params:
    ingest = Ingest(
        folder="raw", train=Split(images="train.csv"), test=Split(images="test.csv"), sample_submission="sample.csv"
    )
    return Params(tasks={"t": Task(ingest=ingest)}, members={})


def _write(sample: str, ids: list, classes: list, labels: list) -> None:
    Path("raw").mkdir(exist_ok=True)
    Path("raw/sample.csv").write_text(sample)
    paths.ensemble("t").mkdir(parents=True, exist_ok=True)
    probabilities = np.eye(len(classes), dtype=np.float32)[[classes.index(label) for label in labels]]
    save_predictions(paths.ensemble("t") / "test.npz", Predictions(np.array(ids), probabilities, classes))
    save_json(paths.decision("t"), {"decision": {"rule": "most_probable", "values": []}})
    write_task("t", classes)


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_names_and_order_are_the_samples_and_labels_their_own():
    _write("Id,Label\n2,5\n0,5\n1,5\n", [0, 1, 2], [5, 9, 13], [13, 5, 9])
    table = submission(_params(), "t")
    assert SUBMISSION.read_bytes() == b"Id,Label\n2,9\n0,13\n1,5\n"
    assert table.startswith("3 rows, label, checked")


def test_text_ids_keep_their_zeros_and_labels_may_be_words():
    _write("name,kind\n007,a\n7,a\n", ["7", "007"], ["cat", "dog"], ["dog", "cat"])
    submission(_params(), "t")
    assert SUBMISSION.read_text() == "name,kind\n007,cat\n7,dog\n"


def test_number_ids_meet_the_same_numbers_as_text():
    _write("id,class\n10,0\n9,0\n", ["9", "10"], [0, 1], [0, 1])
    submission(_params(), "t")
    assert SUBMISSION.read_text() == "id,class\n10,1\n9,0\n"


@pytest.mark.parametrize(
    ("sample", "ids", "expected"),
    [
        ("id,class\n0,1\n1,1\n2,1\n", [0, 1], "test.npz against raw/sample.csv: id 2 is missing"),
        ("id,class\n0,1\n", [0, 1], "id 1 is not expected"),
        ("id,class\n0,1\n1,1\n", [0, 0], "id 0 occurs twice among the ids"),
        ("id,class\n0,1\n0,1\n", [0, 1], "raw/sample.csv: id 0 occurs twice"),
        ("id,class\n0,1\n,1\n", [0, 1], "raw/sample.csv: .*row 1 .counted from 0. is empty"),
        ("id\n0\n1\n", [0, 1], "raw/sample.csv: expected a header and two columns"),
        (
            "id,class,more\n0,1,1\n1,1,1\n",
            [0, 1],
            "column 'class' is no class, expected an id and a column",
        ),
        ("id,class\n", [0, 1], "raw/sample.csv: no rows below the header"),
        ("", [0, 1], "raw/sample.csv: the file is empty"),
    ],
)
def test_other_samples_are_refused_and_an_older_submission_stays(sample, ids, expected):
    SUBMISSION.parent.mkdir()
    SUBMISSION.write_text("older")
    _write(sample, ids, [5, 6], [5, 6])
    with pytest.raises(BadInput, match=expected):
        submission(_params(), "t")
    assert [path.name for path in SUBMISSION.parent.iterdir()] == ["t.csv"] and SUBMISSION.read_text() == "older"


def test_build_refuses_what_has_no_largest_probability():
    sample = pd.DataFrame({"id": ["0", "1"], "class": ["a", "a"]})
    with pytest.raises(ValueError, match=r"probability of id 1 is not a finite number"):
        build(sample, LABELS, np.array([[0.5, 0.5], [np.nan, 0.5]]), ACCURACY, MOST_PROBABLE)
    with pytest.raises(ValueError, match=r"expected .2, 2."):
        build(sample, LABELS, np.ones((2, 3)), ACCURACY, MOST_PROBABLE)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"ID": ["0", "1"], "class": ["a", "b"]}, "columns .*'ID'"),
        ({"id": ["0"], "class": ["a"]}, "1 rows, expected 2"),
        ({"id": ["1", "0"], "class": ["a", "b"]}, "row 0 .* is id 1, expected 0"),
        ({"id": ["0", "1"], "class": ["a", ""]}, "row 1 .* has no class"),
        ({"id": ["0", "1"], "class": ["a", "c"]}, "id 1 has label 'c', expected one of a, b"),
    ],
)
def test_check_finds_what_kaggle_would_refuse(columns, expected):
    sample = pd.DataFrame({"id": ["0", "1"], "class": ["a", "a"]})
    check(sample, sample, LABELS)
    with pytest.raises(ValueError, match=expected):
        check(pd.DataFrame(columns), sample, LABELS)
