"""Forms of submissions: read from the sample, written, checked, and graded by answers in any form."""
# ruff: noqa: E501  one case a line

import io

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from features.labels.metrics.decisions import Decision
from features.labels.metrics.registry import METRICS, metric_of
from features.labels.positive import positive_classes
from pipeline import ingest
from pipeline.config.schema import load_params
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from submissions.rules.answers import answers_of, judged_predictions, predictions_of
from submissions.rules.build import build
from submissions.rules.check import check
from submissions.rules.forms import form_of, grading_metric
from submissions.rules.grade import grade
from tests.projects import member, task, write_blobs, write_params

BREEDS, WHALES, SETS = (
    ["beagle", "boxer", "pug"],
    ["new_whale", "w_1", "w_2", "w_3", "w_4", "w_5"],
    ["healthy", "rust", "scab"],
)
SAMPLES = {  # what the sample, the classes, the metric and the entry give
    "cactus": ("id,has_cactus\na.jpg,0.5\nb.jpg,0.5\n", [0, 1], "roc_auc", {}, "probability of 1"),
    "histopathologic": ("id,label\na,0\nb,0\n", [0, 1], "roc_auc", {}, "probability of 1"),
    "cassava": ("image_id,label\na.jpg,4\n", [0, 1, 2, 3, 4], "accuracy", {}, "label"),
    "paddy": ("image_id,label\na.jpg,\nb.jpg,\n", ["blast", "tungro"], "accuracy", {}, "label"),
    "aptos": ("id_code,diagnosis\na,0\nb,0\n", [0, 1, 2, 3, 4], "quadratic_kappa", {}, "label"),
    "dog-breed": ("id,boxer,beagle,pug\na,0.3,0.3,0.4\n", BREEDS, "log_loss", {}, "columns"),
    "dogs-vs-cats": (
        "id,label\n1,0.5\n2,0.5\n",
        ["cat", "dog"],
        "log_loss",
        {"positive": ["dog"]},
        "probability of dog",
    ),
    "whales": (
        "Image,Id\na,new_whale w_1 w_2 w_3 w_4\nb,new_whale w_1 w_2 w_3 w_4\n",
        WHALES,
        "map_at_k",
        {},
        "top_k, k 5",
    ),
    "hotels": ("image,hotel_id\na,36363\nb,36363\n", [7, 36363], "map_at_k", {}, "top_k, k 2"),
    "imet": ("id,attribute_ids\na,0 1 2\nb,0 1 2\n", [0, 1, 2, 3], "micro_f1", {"label_sets": True}, "label_set"),
    "ranzcr": ("uid,rust,scab,healthy\n1.2.3,0,0,0\n", SETS, "roc_auc", {"label_sets": True}, "columns"),
    "last id": ("rust,healthy,scab,image\n0.1,0.2,0.7,a\n0.3,0.5,0.2,b\n", SETS, "roc_auc", {}, "columns"),
    "alaska": (
        "Id,Label\n1.jpg,0\n",
        ["Cover", "J", "U"],
        "weighted_roc_auc",
        {"positive": ["J", "U"]},
        "probability of J or U",
    ),
    "declared": ("id,label\n1,0\n", [0, 1], "accuracy", {"kind": "probability"}, "probability of 1"),
}


def table(text):
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)


def setting(text, classes, metric, options=None):
    """Return the sample, its form and the metric."""
    options, sample = dict(options or {}), table(text)
    label_sets, positive = options.get("label_sets", False), positive_classes(classes, options.pop("positive", None))
    metric = metric_of(metric, len(classes), label_sets, positive)
    return sample, form_of(sample, classes, metric, positive=positive, **options), metric


@pytest.mark.parametrize("name", SAMPLES)
def test_the_form_is_read_from_the_sample_which_is_legal_itself(name):
    text, classes, metric, options, line = SAMPLES[name]
    sample, form, _ = setting(text, classes, metric, options)
    assert form.line() == line
    assert form.id_column == ("image" if name == "last id" else sample.columns[0])
    check(sample, sample, form)


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_built_is_legal_and_graded_as_the_probabilities_are(name):
    text, classes, metric, options, _ = SAMPLES[name]
    rng, rows = np.random.default_rng(0), 40
    first = table(text)
    at = list(first.columns).index("image" if name == "last id" else first.columns[0])
    long = pd.concat([first.iloc[:1]] * rows, ignore_index=True)
    long.isetitem(at, [f"{row}.jpg" for row in range(rows)])
    sample, form, metric = setting(long.to_csv(index=False), classes, metric, options)
    if form.label_sets:
        labels = (rng.random((rows, len(classes))) < 0.4).astype(np.uint8)
        probabilities = np.clip(labels * 0.4 + rng.random((rows, len(classes))) * 0.6, 0, 1).astype(np.float32)
    else:
        labels = rng.integers(0, len(classes), rows)
        probabilities = rng.dirichlet(np.ones(len(classes)), rows) * 0.5 + np.eye(len(classes))[labels] * 0.5
    decision = metric.fit(probabilities, labels)
    built = build(sample, form, probabilities, metric, decision)
    again = table(built.to_csv(index=False))
    check(again, sample, form)
    graded = grading_metric(metric, form)
    true = np.isin(labels, form.positive) * 1 if form.kind == "probability" else labels
    score = graded.of(predictions_of(again, form, graded), true)
    assert score == pytest.approx(metric.best(probabilities, labels), abs=1e-6)
    assert (
        score == graded.of(judged_predictions(form, metric, decision, probabilities), true)
        or metric.judges == "probabilities"
    )


def test_columns_keep_the_order_of_the_sample_and_sum_to_one():
    sample, form, metric = setting(*SAMPLES["dog-breed"][:3])
    probabilities = np.array([[0.0, 1.0, 0.0]], np.float32)
    row = build(sample, form, probabilities, metric, Decision("probabilities")).iloc[0]
    assert row.index.tolist() == ["id", "boxer", "beagle", "pug"] and float(row["boxer"]) > 0.999999
    values = row[["boxer", "beagle", "pug"]].astype(float)
    assert values.sum() == pytest.approx(1, abs=1e-9)
    assert values.min() == pytest.approx(1e-7, rel=1e-3)  # never certain, since one wrong row would cost 34


def test_probabilities_keep_the_digits_that_order_them():
    sample, form, metric = setting("id,p\na,0.5\nb,0.5\n", [0, 1], "roc_auc")
    close = np.array([[0, 1 - 1e-7], [0, 1]], np.float32)
    built = build(sample, form, close, metric, Decision("probabilities"))["p"].astype(float)
    assert built[0] < built[1]


@pytest.mark.parametrize(
    ("text", "classes", "metric", "options", "sentence"),
    [
        ("id,label\na,cat\nb,dog\n", ["cat", "dog"], "log_loss", {}, "form label, but metric log_loss judges probabilities; write `metric: accuracy` or `submission: {form: probability, positive: cat"),
        ("id,label\na,0.5\n", ["cat", "dog"], "log_loss", {}, r"`submission: {form: probability, positive: cat}`, or another of cat, dog"),
        ("id,label\na,0.5\n", ["cat", "dog"], "accuracy", {}, r"`submission: {form: probability, positive: cat}`"),
        ("Image,Id\na,w_1 w_2\n", WHALES, "accuracy", {}, r"2 labels in a cell, but metric accuracy judges one; write `metric: {name: map_at_k, k: 2}`, or declare train.label_separator"),
        ("id,boxer,pug\na,0,1\n", BREEDS, "log_loss", {}, r"no column for class 'beagle' \(1 such classes\)"),
        ("id,boxer,pug,cat\na,0,1,0\n", BREEDS, "log_loss", {}, "column 'cat' is no class, expected an id and a column for each of beagle, boxer, pug"),
        ("id,boxer,pug,PUG,beagle\na,0,1,0,0\n", BREEDS, "log_loss", {}, "column 'PUG' is class 'pug', which has another"),
        ("id,label\na,w_1\n", WHALES, "map_at_k", {"kind": "label"}, "judges 5 labels; write `submission: top_k`"),
        ("id,a,b\n1,0,0\n", ["a", "b"], "accuracy", {"kind": "label"}, r"3 columns \(id, a, b\), expected two for form label"),
        ("id,tags\na,x y\n", ["x", "y"], "roc_auc", {"label_sets": True}, "write `metric: micro_f1` or `submission: columns`"),
        ("id,tags\na,x\n", ["x", "y"], "accuracy", {"kind": "label_set"}, r"declare train\.label_separator"),
        ("id,no,yes\na,0,1\n", ["no", "yes"], "probabilistic_f1", {}, "expected form probability"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_sentence_with_the_line_to_write(text, classes, metric, options, sentence):
    with pytest.raises(ValueError, match=sentence) as refused:
        setting(text, classes, metric, options)
    assert len(str(refused.value)) < 260


@pytest.mark.parametrize(
    ("name", "cells", "sentence"),
    [
        ("cactus", ["0.5", "1.5"], "id b.jpg has has_cactus '1.5', expected a number within 0..1"),
        ("cactus", ["0.2", "nan"], "id b.jpg has has_cactus 'nan'"),
        ("cactus", ["0.2", ""], "row 1 .* has no has_cactus"),
        ("whales", ["w_1", "w_1 w_1"], "id b has label 'w_1 w_1', expected up to 5, with ' ' between them, of"),
        ("whales", ["w_1", " ".join(WHALES)], "id b has label .*, expected up to 5"),
        ("imet", ["0", "7"], "id b has label '7', expected some"),
        ("aptos", ["1", "5"], "id b has label '5', expected one of 0, 1, 2, 3, 4"),
    ],
)
def test_check_finds_what_is_not_of_the_form(name, cells, sentence):
    text, classes, metric, options, _ = SAMPLES[name]
    sample, form, _ = setting(text, classes, metric, options)
    with pytest.raises(ValueError, match=sentence):
        check(sample.assign(**{form.columns[0]: cells}), sample, form)


@pytest.mark.parametrize(
    ("name", "solution", "labels"),
    [
        ("aptos", "id_code,diagnosis,Usage\na,4,Public\nb,0,Private\n", [4, 0]),
        ("dog-breed", "id,breed\na,pug\n", [2]),
        ("dog-breed", "id,pug,boxer,beagle\na,0,1,0\n", [1]),
        ("dog-breed", "id,pug,boxer,beagle\na,0.0,1.0,0\n", [1]),
        ("dogs-vs-cats", "id,label\n1,1\n2,0\n", [1, 0]),
        ("dogs-vs-cats", "id,label\n1,dog\n2,cat\n", [1, 0]),
        ("alaska", "Id,Label\n1.jpg,1\n", [1]),
        ("alaska", "Id,Label\n1.jpg,U\n", [1]),
        ("whales", "Image,Id\na,w_2\nb,new_whale\n", [2, 0]),
        ("imet", "id,attribute_ids\na,1 3\nb,\n", [[0, 1, 0, 1], [0, 0, 0, 0]]),
        ("ranzcr", "uid,healthy,rust,scab\n1.2.3,0,1,1\n", [[0, 1, 1]]),
        ("histopathologic", "id,label\na,1\nb,0\n", [1, 0]),
    ],
)
def test_answers_come_in_any_form(name, solution, labels):
    text, classes, metric, options, _ = SAMPLES[name]
    _, form, _ = setting(text, classes, metric, options)
    assert answers_of(table(solution), form).tolist() == labels


@pytest.mark.parametrize(
    ("name", "solution", "sentence"),
    [
        ("dog-breed", "id,pug,boxer,beagle\na,0,1,1\n", r"row 0 .* has not exactly one 1"),
        ("dogs-vs-cats", "id,label\n1,1\n2,3\n", "row 1 .* has label '3', expected 0, 1 or a class"),
        ("aptos", "id_code,label\na,4\nb,0\n", "no column 'diagnosis'"),
        ("aptos", "id_code,diagnosis\na,9\nb,0\n", "row 0 .* has diagnosis '9', expected one of 0, 1, 2, 3, 4"),
    ],
)
def test_answers_that_no_submission_could_match_are_refused(name, solution, sentence):
    text, classes, metric, options, _ = SAMPLES[name]
    _, form, _ = setting(text, classes, metric, options)
    with pytest.raises(ValueError, match=sentence):
        answers_of(table(solution), form)


def test_public_and_private_rows_are_graded_by_the_metric():
    rng = np.random.default_rng(0)
    labels, present = rng.integers(0, 2, 60), rng.random(60)
    usage = np.array(["Public", "Private", "Private"] * 20)
    graded = grade(np.stack([1 - present, present], axis=1), labels, usage, METRICS["roc_auc"])
    for part in ("Public", "Private"):
        rows, score_of_part = usage == part, graded[part.lower()]
        assert score_of_part["score"] == pytest.approx(reference.roc_auc_score(labels[rows], present[rows]))
        assert (
            score_of_part["low"] < score_of_part["score"] < score_of_part["high"]
            and score_of_part["rows"] == rows.sum()
        )


def test_names_have_no_order_for_kappa_unless_the_entry_lists_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_blobs(tmp_path / "raw")
    for name in ("train", "sample", "solution"):
        table = pd.read_csv(tmp_path / "raw" / f"{name}.csv")
        table["Label"] = table["Label"].map({0: "mild", 1: "none", 2: "severe"})
        table.to_csv(tmp_path / "raw" / f"{name}.csv", index=False)
    entry = task("raw", metric="quadratic_kappa")
    write_params(tmp_path, {"blobs": entry}, {"m": member("blobs")})
    with pytest.raises(BadInput, match=r"names \(mild, none, severe\) have no order; list them"):
        ingest.ingest(load_params(paths.PARAMS), "blobs")
    entry["ingest"]["classes"] = ["none", "mild", "severe"]
    write_params(tmp_path, {"blobs": entry}, {"m": member("blobs")})
    assert "3 classes" in ingest.ingest(load_params(paths.PARAMS), "blobs")
