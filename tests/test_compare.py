"""The comparison of two revisions: which rows are compared, how large a gain is, and which params changed."""

import numpy as np
import pytest

from features.labels.metrics.registry import metric_of
from pipeline.compare import Results, TaskResults, changed_params, compare, main
from submissions.rules.compare import RESAMPLES

ACCURACY = metric_of("accuracy", 2, False)
LABELS = np.arange(100) % 2


def results(name, right, ids=range(100), metric=ACCURACY, classes=("cat", "dog"), members=("m",)):
    """Return results in which the first rows of each member are right."""
    ids = np.array(ids)
    labels = LABELS[ids]
    predictions = {member: np.where(ids < right, labels, 1 - labels) for member in members}
    return Results(name, {"t": TaskResults(metric, list(classes), ids.astype(str), labels, predictions)}, {})


def test_a_gain_is_that_of_the_second_revision_on_the_same_rows():
    table, sentences = compare(results("a", right=60), results("b", right=90))
    row = table.iloc[0]
    assert not sentences
    assert row[["task", "member", "metric", "rows", "first", "second"]].tolist() == [
        "t",
        "m",
        "accuracy",
        100,
        0.6,
        0.9,
    ]
    assert row["gain"] == pytest.approx(0.3)
    # 30 of 100 rows differ, all in one direction: the spread of a binomial share is sqrt(.3 * .7 / 100).
    assert row[["low", "high"]].tolist() == pytest.approx([0.3 - 1.96 * 0.0458, 0.3 + 1.96 * 0.0458], abs=0.01)
    assert row["p_value"] == pytest.approx(2 * 0.5**30)  # McNemar: thirty heads in thirty throws, or thirty tails


def test_a_gain_is_certain_by_the_test_that_fits_the_metric(monkeypatch, capsys):
    """Five rows of difference: their bootstrap interval is above zero, but five heads in five throws are no proof."""
    both = {"a": results("a", right=60), "b": results("b", right=65)}
    monkeypatch.setattr("pipeline.compare.load_results", both.get)
    main(["a", "b"])
    line = next(line for line in capsys.readouterr().out.splitlines() if "accuracy" in line)
    *_, gain, p_value, verdict, _ = (cell.strip() for cell in line.split("|"))
    assert gain.startswith("+0.0500 (+0.01") and (p_value, verdict) == ("0.062", "within noise")


def test_only_rows_of_both_revisions_count():
    table, _ = compare(results("a", right=60), results("b", right=100, ids=range(50, 100)))
    assert table.iloc[0][["rows", "first", "second"]].tolist() == [50, 0.2, 1.0]


def test_a_member_of_one_revision_has_no_gain():
    table, _ = compare(results("a", 60, members=("m", "old")), results("b", 60, members=("m", "new")))
    assert table["member"].tolist() == ["m", "old", "new"]
    assert table[["first", "second"]].isna().to_numpy().tolist() == [[False, False], [False, True], [True, False]]
    assert table["gain"].isna().tolist() == [False, True, True]


def test_a_lower_loss_is_a_gain():
    metric = metric_of("log_loss", 2, False)

    def sure(name, probability):
        other = np.stack([np.full(100, probability), np.full(100, 1 - probability)], axis=1)
        predictions = np.where(LABELS[:, None] == 0, other, other[:, ::-1])
        of_task = TaskResults(metric, ["cat", "dog"], np.arange(100).astype(str), LABELS, {"m": predictions})
        return Results(name, {"t": of_task}, {})

    table, _ = compare(sure("a", 0.6), sure("b", 0.8))
    assert table.iloc[0]["gain"] == pytest.approx(np.log(0.8 / 0.6))
    assert table.iloc[0]["p_value"] == 2 / RESAMPLES  # each row is better, so each resample is


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        (results("b", 60, metric=metric_of("log_loss", 2, False)), "t: not comparable, as their metrics differ"),
        (results("b", 60, classes=("cat", "cow")), "t: not comparable, as their classes differ"),
        (Results("b", {}, {}), "t: only a has results"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(second, sentence):
    table, sentences = compare(results("a", 60), second)
    assert table.empty and sentences == [sentence]


def test_changed_params_are_named_with_both_values():
    old = {"members": {"m": {"training": {"epochs": 2}, "options": {}, "input": "items"}}}
    new = {"members": {"m": {"training": {"epochs": 4, "seed": None}, "options": {}}}}
    assert changed_params(old, new) == [
        "members.m.training.epochs: 2 -> 4",
        "members.m.input: items -> absent",
        "members.m.training.seed: absent -> None",
    ]
