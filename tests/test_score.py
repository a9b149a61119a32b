"""Stage `score`: accuracy on public and private rows, joined on id."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from pipeline import paths
from pipeline.config import Ensemble, Folds, Ingest, Params, Predict, Prepare, Split, Task
from pipeline.contracts import BadInput
from pipeline.predictions import Predictions, save_predictions
from pipeline.score import score

SUBMISSION = "Id,Label\n0,5\n1,6\n2,7\n3,5\n"


def _score(solution: str | None, submission: str = SUBMISSION) -> tuple[str, dict]:
    ingest = Ingest("raw", Split("train.csv"), Split("test.csv"), "sample.csv")
    task = Task(ingest, Prepare(), Folds(), Predict(), Ensemble())
    for path, text in ((Path("raw/solution.csv"), solution), (paths.submission("t"), submission)):
        path.parent.mkdir(exist_ok=True)
        if text is not None:
            path.write_text(text)
    paths.ensemble("t").mkdir(parents=True, exist_ok=True)
    known = Predictions(np.arange(4), np.ones((4, 3)) / 3, [5, 6, 7])
    save_predictions(paths.ensemble("t") / "test.npz", known)
    members = {"good": [0, 1, 2, 0], "bad": [1, 1, 1, 1]}  # classes by id
    for name, kinds in members.items():
        paths.predictions("t", name).mkdir(parents=True, exist_ok=True)
        one_hot = np.eye(3)[kinds[::-1]]
        save_predictions(paths.predictions("t", name) / "test.npz", Predictions(np.arange(4)[::-1], one_hot, [5, 6, 7]))
    paths.ROSTER.mkdir(parents=True, exist_ok=True)
    paths.roster("t").write_text(json.dumps(list(members)))
    return score(Params({"t": task}, {}), "t"), json.loads(paths.score("t").read_text())


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_public_and_private_rows_are_scored_apart():
    made, result = _score("Id,Label,Usage\n3,5,Public\n2,7,Private\n1,5,Private\n0,5,Private\n")
    assert result["metric"] == "accuracy"
    assert result["public"] == {"score": 1.0, "standard_error": 0.0, "rows": 1}
    assert result["private"]["score"] == pytest.approx(2 / 3) and result["private"]["rows"] == 3
    assert result["private"]["standard_error"] == pytest.approx(math.sqrt(2 / 9 / 3))
    assert result["all"]["score"] == 0.75 and result["all"]["rows"] == 4
    assert made == "public 1.0000 ± 0.0000 (1 rows), private 0.6667 ± 0.2722 (3 rows)"


def test_every_member_is_scored_by_itself_on_the_rows_that_count():
    _, result = _score("Id,Label,Usage\n3,5,Public\n2,7,Ignored\n1,6,Private\n0,5,Private\n")
    assert result["members"] == {"good": 1.0, "bad": pytest.approx(1 / 3)}


def test_without_usage_all_is_private_and_said_so():
    made, result = _score("Id,Label\n0,5\n1,6\n2,5\n3,6\n")
    assert result["public"] == {"score": None, "standard_error": None, "rows": 0}
    assert result["private"] == result["all"] and result["private"]["score"] == 0.5
    assert "no column Usage, so all rows are private" in made


def test_ignored_rows_count_nowhere():
    _, result = _score("Id,Label,Usage\n0,6,Ignored\n1,6,Public\n2,7,Private\n3,6,Private\n")
    assert (result["all"]["rows"], result["public"]["rows"], result["private"]["score"]) == (3, 1, 0.5)


def test_without_a_solution_the_answers_are_unknown():
    made, result = _score(None)
    assert result == {"metric": "accuracy", "answers": "unknown"}
    assert made == "no answers at raw/solution.csv, so no score"


@pytest.mark.parametrize(
    ("solution", "expected"),
    [
        ("Id,Label\n0,5\n1,5\n2,5\n3,5\n4,5\n", "submissions/t.csv against raw/solution.csv: id 4 is missing"),
        ("Id,Label\n0,5\n1,5\n2,5\n", "id 3 is not expected"),
        ("Id,Label\n0,5\n1,5\n2,5\n2,5\n", "id 2 stands twice"),
        ("Id,Label\n0,5\n1,99\n2,5\n3,5\n", "raw/solution.csv: row 1 .* has Label '99', expected one of 5, 6, 7"),
        ("Id,class\n0,5\n1,5\n2,5\n3,5\n", "raw/solution.csv: no column 'Label'"),
        ("Id,Label,Usage\n0,5,Public\n1,5,private\n2,5,Public\n3,5,Public\n", "Usage 'private' is unknown"),
    ],
)
def test_other_solutions_are_refused(solution, expected):
    with pytest.raises(BadInput, match=expected):
        _score(solution)
    assert not paths.score("t").exists()


def test_a_submission_with_an_id_twice_is_refused():
    with pytest.raises(BadInput, match="id 0 stands twice"):
        _score("Id,Label\n0,5\n1,5\n2,5\n3,5\n", submission="Id,Label\n0,5\n0,6\n2,7\n3,5\n")
