"""Stage and command `score`: accuracy on public and private rows, joined on id, and what it is worth."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from features.labels.metrics.registry import ACCURACY
from pipeline.config.schema import Ingest, Params, Replica, Split, Task
from pipeline.score import Answers, loss_of_answers, score
from pipeline.storage import paths
from pipeline.storage.files import BadInput, save_json
from pipeline.storage.predictions import Predictions, save_predictions
from submissions import score as command
from submissions.rules.compare import compare
from submissions.rules.forms import Form
from submissions.rules.published import place, published_results, standing_line
from tests.projects import task as a_task
from tests.projects import write_params, write_task

SUBMISSION = "Id,Label\n0,5\n1,6\n2,7\n3,5\n"


def _score(
    solution: str | None, submission: str = SUBMISSION, folder: str = "raw", **replicas: Replica
) -> tuple[str, dict]:
    ingest = Ingest(
        folder=folder, train=Split(images="train.csv"), test=Split(images="test.csv"), sample_submission="sample.csv"
    )
    task = Task(ingest=ingest)
    for path, text in ((Path(folder, "solution.csv"), solution), (paths.submission("t"), submission)):
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            path.write_text(text)
    Path(folder, "sample.csv").write_text("Id,Label\n0,5\n1,5\n2,5\n3,5\n")
    write_task("t", [5, 6, 7])
    members = {"good": [0, 1, 2, 0], "bad": [1, 1, 1, 1]}  # classes by id
    for name, kinds in members.items():
        paths.predictions("t", name).mkdir(parents=True, exist_ok=True)
        one_hot = np.eye(3)[kinds[::-1]]
        save_predictions(paths.predictions("t", name) / "test.npz", Predictions(np.arange(4)[::-1], one_hot, [5, 6, 7]))
        save_json(paths.decision("t", name), {"decision": {"rule": "most_probable", "values": []}})
    paths.roster("t").parent.mkdir(parents=True, exist_ok=True)
    paths.roster("t").write_text(json.dumps(list(members)))
    return score(Params(tasks={"t": task}, members={}, replicas=replicas), "t"), json.loads(
        paths.score("t").read_text()
    )


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_public_and_private_rows_are_scored_apart():
    output, result = _score("Id,Label,Usage\n3,5,Public\n2,7,Private\n1,5,Private\n0,5,Private\n")
    assert result["metric"] == "accuracy"
    assert result["public"] == {"score": 1.0, "low": pytest.approx(0.2065, abs=1e-4), "high": 1.0, "rows": 1}
    assert result["private"]["score"] == pytest.approx(2 / 3) and result["private"]["rows"] == 3
    interval = binomtest(2, 3).proportion_ci(method="wilson")
    assert (result["private"]["low"], result["private"]["high"]) == pytest.approx((interval.low, interval.high))
    assert result["all"]["score"] == 0.75 and result["all"]["rows"] == 4
    assert output == "public 1.0000 (0.2065 to 1.0000) on 1 rows, private 0.6667 (0.2077 to 0.9385) on 3 rows"


def test_every_member_is_scored_by_itself_on_the_rows_that_count():
    _, result = _score("Id,Label,Usage\n3,5,Public\n2,7,Ignored\n1,6,Private\n0,5,Private\n")
    assert {name: (member["score"], member["rows"]) for name, member in result["members"].items()} == {
        "good": (1.0, 3),
        "bad": (pytest.approx(1 / 3), 3),
    }
    assert (result["members"]["good"]["low"], result["members"]["good"]["high"]) == (pytest.approx(0.4385, abs=1e-4), 1)


def test_every_member_has_its_loss_on_the_rows_that_count():
    _, result = _score("Id,Label,Usage\n3,5,Public\n2,7,Ignored\n1,6,Private\n0,7,Private\n")
    assert result["members"]["good"]["log_loss"] == pytest.approx(-math.log(1e-7) / 3)  # wrong on one row of three


@pytest.mark.parametrize(
    ("form", "labels", "expected"),
    [
        (Form("probability", "Id", ("p",), (5, 6, 7), positive=(1, 2)), [1, 0], -math.log(0.9) / 2 - math.log(0.8) / 2),
        (Form("label_set", "Id", ("s",), (5, 6), label_sets=True), [[1, 0], [1, 1]], -math.log(0.6 * 0.7 * 0.8) / 4),
        (Form("label", "Id", ("l",), (5, 6, 7)), [2, 0], -math.log(0.5 * 0.8) / 2),
    ],
)
def test_the_loss_is_of_the_true_answers(form, labels, expected):
    shares = {"probability": [[0.1, 0.4, 0.5], [0.8, 0.1, 0.1]], "label_set": [[0.6, 0.3], [0.8, 1.0]]}
    shares["label"] = shares["probability"]
    answers = Answers(Path("solution.csv"), form, ACCURACY, np.arange(2), np.array(labels), None)
    assert loss_of_answers(np.array(shares[form.kind]), answers) == pytest.approx(expected, abs=1e-6)


def test_without_usage_all_is_private_and_said_so():
    output, result = _score("Id,Label\n0,5\n1,6\n2,5\n3,6\n")
    assert result["public"] == {"score": None, "low": None, "high": None, "rows": 0}
    assert result["private"] == result["all"] and result["private"]["score"] == 0.5
    assert "no column Usage, so all rows are private" in output


def test_ignored_rows_count_nowhere():
    _, result = _score("Id,Label,Usage\n0,6,Ignored\n1,6,Public\n2,7,Private\n3,6,Private\n")
    assert (result["all"]["rows"], result["public"]["rows"], result["private"]["score"]) == (3, 1, 0.5)


def test_without_a_solution_the_answers_are_unknown():
    output, result = _score(None)
    assert result == {"metric": "accuracy", "answers": "unknown"}
    assert output == ""


@pytest.mark.parametrize(
    ("solution", "expected"),
    [
        ("Id,Label\n0,5\n1,5\n2,5\n3,5\n4,5\n", "submissions/t.csv against raw/solution.csv: id 4 is missing"),
        ("Id,Label\n0,5\n1,5\n2,5\n", "id 3 is not expected"),
        ("Id,Label\n0,5\n1,5\n2,5\n2,5\n", "id 2 occurs twice"),
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
    with pytest.raises(BadInput, match="id 0 occurs twice"):
        _score("Id,Label\n0,5\n1,5\n2,5\n3,5\n", submission="Id,Label\n0,5\n0,6\n2,7\n3,5\n")


@pytest.mark.parametrize(
    ("replica", "expected"),
    [
        (Replica(form="fashion", source="fashion-mnist"), "place 9 after 8 published results, no medal"),
        (Replica(form="price_sum", source="fashion-mnist"), "place 5 after 4 published results, no medal"),
    ],
)
def test_a_replica_of_the_published_images_has_a_place_among_the_published_results(replica, expected):
    output, result = _score("Id,Label\n0,5\n1,6\n2,5\n3,6\n", folder="data/replica/r", r=replica)
    assert output.endswith(f"; {expected}") and f"place {result['place_among_published']} " in expected


@pytest.mark.parametrize(
    "replica",
    [
        Replica(form="fashion"),
        Replica(form="price_sum", source="digits"),
        Replica(form="price_sum", source="fashion-mnist", pool="disjoint"),
        Replica(form="fashion", source="fashion-mnist", labels=[0, 1, 2]),
    ],
)
def test_other_images_or_other_pools_have_no_place(replica):
    output, result = _score("Id,Label\n0,5\n1,6\n2,5\n3,6\n", folder="data/replica/r", r=replica)
    assert "place" not in output and "place_among_published" not in result
    raw, _ = _score(
        "Id,Label\n0,5\n1,6\n2,5\n3,6\n", folder="data/raw/t", r=Replica(form="fashion", source="fashion-mnist")
    )
    assert "place" not in raw


def test_other_images_under_the_name_have_no_place_and_one_line_says_so():
    Path("data/replica/r").mkdir(parents=True)
    Path("data/replica/r/source.json").write_text('{"source": "fashion-mnist", "is_original": false}')
    replica = Replica(form="fashion", source="fashion-mnist")
    output, result = _score("Id,Label\n0,5\n1,6\n2,5\n3,6\n", folder="data/replica/r", r=replica)
    assert "; place" not in output and "place_among_published" not in result
    assert "no published score is shown, because the images differ" in output


def test_a_damaged_source_of_a_replica_is_one_sentence():
    Path("data/replica/r").mkdir(parents=True)
    Path("data/replica/r/source.json").write_text("[]")
    with pytest.raises(BadInput, match=r"source\.json: not JSON as expected"):
        _score("Id,Label\n0,5\n1,6\n2,5\n3,6\n", folder="data/replica/r", r=Replica(form="fashion", source="digits"))


def test_of_equal_scores_the_earlier_goes_first():
    results = published_results("price_sum", "fashion-mnist", "shared")
    assert [place(score, results) for score in (0.98, 0.979, 0.97, 0.965, 0.9, 0.5)] == [1, 2, 2, 3, 3, 5]
    assert standing_line(0.98, results).endswith("gold") and standing_line(0.979, results).endswith("silver")
    assert standing_line(0.9, results).endswith("bronze") and standing_line(0.81, results).endswith("no medal")


def test_published_results_are_shares_and_best_first():
    for form in ("fashion", "price_sum"):
        shares = [result.accuracy for result in published_results(form, "fashion-mnist", "shared")]
        assert shares == sorted(shares, reverse=True) and 0 < shares[-1] < shares[0] < 1


def _project(usage: str = "Private") -> None:
    """Write a task whose answers are 5 for 40 ids, and two submissions to it."""
    write_params(Path(), {"t": a_task("data/replica/t")}, {}, replicas={"t": {"form": "fashion"}})
    Path("data/replica/t").mkdir(parents=True)
    rows = "".join(f"{number},5\n" for number in range(40))
    Path("data/replica/t/sample.csv").write_text("Id,Label\n" + rows)
    Path("data/replica/t/solution.csv").write_text("Id,Label,Usage\n" + rows.replace("\n", f",{usage}\n"))
    write_task("t", [5, 6])
    for name, wrong in (("good", 1), ("bad", 12)):
        labels = [6 if number < wrong else 5 for number in range(40)]
        text = "".join(f"{number},{labels[number]}\n" for number in reversed(range(40)))
        Path(f"{name}.csv").write_text("Id,Label\n" + text)


def test_any_file_is_graded_and_compared_with_another(capsys):
    _project()
    command.main(["t", "good.csv", "bad.csv"])
    graded, medals, compared = capsys.readouterr().out.splitlines()
    assert graded == "good.csv: public unknown (no rows), private 0.9750 (0.8712 to 0.9956) on 40 rows"
    assert medals.startswith("no medals: no published result is comparable")
    assert "+0.2750 from bad.csv, on 40 rows" in compared and "11 that only it has right, 0 only the other" in compared
    assert compared.endswith("exact McNemar test p = 0.00098, more than noise")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["t", "none.csv"], "none.csv: no such file"),
        (["t", "short.csv"], "short.csv against data/replica/t/solution.csv: id 1 is missing"),
        (["t", "other.csv"], r"other.csv: columns \['id', 'class'\], expected \['Id', 'Label'\]"),
        (["t", "decimal.csv"], r"decimal.csv: id 0 has label '5.0', expected one of 5, 6"),
        (["t", "good.csv", "gap.csv"], r"gap.csv: row 0 \(counted from 0\) has no Label"),
        (["t", "good.csv", "ignored.csv"], "ignored.csv: no such file"),
        (["x", "good.csv"], "tasks has no entry 'x'"),
    ],
)
def test_a_file_that_cannot_be_graded_is_one_sentence(capsys, arguments, expected):
    _project()
    Path("short.csv").write_text("Id,Label\n0,5\n")
    Path("other.csv").write_text("id,class\n0,5\n")
    Path("decimal.csv").write_text("Id,Label\n0,5.0\n")
    Path("gap.csv").write_text("Id,Label\n0,\n")
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 1 and re.search(expected, capsys.readouterr().err)


def test_without_answers_only_kaggle_can_grade(capsys):
    _project()
    Path("data/replica/t/solution.csv").unlink()
    with pytest.raises(SystemExit):
        command.main(["t", "good.csv"])
    assert "data/replica/t/solution.csv: missing, so Kaggle alone can grade" in capsys.readouterr().err


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_the_paired_test_is_exact_and_symmetric(rows):
    first, second = np.array(rows).T
    comparison, other_way = compare(first, second), compare(second, first)
    b, c = comparison.only_first, comparison.only_second
    tail = sum(math.comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)
    assert comparison.p_value == pytest.approx(min(1.0, 2 * tail)) == pytest.approx(other_way.p_value)
    assert comparison.difference == pytest.approx(first.mean() - second.mean())


def test_the_paired_test_wants_the_same_rows():
    with pytest.raises(ValueError, match="expected the same and at least one"):
        compare(np.ones(3, bool), np.ones(4, bool))
