"""Stage ingest: classes are written as the sample submission spells them, and doubtful ones are named."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.ingest import ingest
from pipeline.storage import paths
from pipeline.storage.files import load_json
from tests.ingest_project import TEST, TEST_IDS, arrays, labelled_csvs, params, pixel_csv, refused

pytestmark = pytest.mark.usefixtures("raw_project")


@pytest.mark.parametrize(
    ("labels", "cells", "line", "classes"),
    [
        (["yes", "no"] * 3, ["True", "False", "True"], "classes: ['False', 'True']", ["False", "True"]),
        (["yes", "no"] * 3, ["TRUE", "", "0.5"], "classes: ['FALSE', 'TRUE']", ["FALSE", "TRUE"]),
        (["cat", "dog", "emu"] * 2, ["Dog", "Cat", "Dog"], "classes: [Cat, Dog, Emu]", ["Cat", "Dog", "Emu"]),
        (["cat", "dog", "emu"] * 2, ["dOg", "Cat", "Dog"], None, None),
    ],
)
def test_a_sample_with_classes_in_another_spelling_stops_with_the_line_to_write(labels, cells, line, classes, capsys):
    labelled_csvs(labels, cells)
    refused(r"raw/sample\.csv: .* of raw/train\.csv in another spelling; .*tasks\.t\.ingest: classes: \[.*\]")
    if line is None:
        return
    refused(re.escape(line))
    ingest(params(**yaml.safe_load(line)), "t")  # and that line makes Podium write the sample's spelling
    assert load_json(paths.arrays("t") / "about.json")["classes"] == sorted(classes)
    expected = [sorted(set(map(str, labels))).index(label) for label in labels]
    assert arrays()["train_labels"].tolist() == expected
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("labels", "cells"),
    [
        (["cat", "dog"] * 3, [0, 0, 0]),
        (["cat", "dog"] * 3, ["", "", ""]),
        ([1, 2, 3] * 2, ["0", "0.3", "1.0"]),
        ([1, 2, 3] * 2, [3, 1, 2]),
    ],
)
def test_placeholders_and_classes_of_a_sample_pass(labels, cells, capsys):
    labelled_csvs(labels, cells)
    ingest(params(), "t")
    assert capsys.readouterr().err == ""


def test_probabilities_in_the_sample_ask_for_a_metric_that_judges_them(capsys):
    labelled_csvs(["yes", "no"] * 3, ["0.5", "0.25", "1"])
    assert ingest(params(), "t").endswith("2 classes, submission: probability of yes")
    assert "it has probabilities, but metric accuracy judges classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("labels", "cells", "classes"),
    [
        (["1.0", "2.0", "3.0"] * 2, ["1", "2", "1"], [1, 2, 3]),
        (["0", "1.0", "1"] * 2, ["1", "0", "1"], [0, 1]),
        (["1", "2", "10"] * 2, ["1.0", "2.0", "1.0"], ["1.0", "2.0", "10.0"]),
        (["0", "1"] * 3, ["0.0", "0.0", "0.0"], ["0.0", "1.0"]),
        (["07", "7.0"] * 3, ["7.0", "07", "7.0"], ["07", "7.0"]),
    ],
)
def test_numbers_are_one_class_in_the_spelling_of_the_sample(labels, cells, classes):
    labelled_csvs(labels, cells)
    ingest(params(), "t")
    saved = load_json(paths.arrays("t") / "about.json")["classes"]
    assert saved == classes and [float(saved[index]) for index in arrays()["train_labels"]] == [*map(float, labels)]


def test_one_repeated_value_in_another_spelling_is_warned_of(capsys):
    labelled_csvs(["no", "yes"] * 3, ["No", "No", "No"])
    ingest(params(), "t")
    assert "warning: raw/sample.csv: 'No' is 'no' of raw/train.csv in another spelling" in capsys.readouterr().err


def test_a_sample_without_a_class_is_warned_of(capsys):
    labelled_csvs(["0", "1"] * 3, ["no", "yes", "no"])
    ingest(params(), "t")
    sentence = "ingest: warning: raw/sample.csv: no label is a class of raw/train.csv, for example 'no'\n"
    assert capsys.readouterr().err == sentence


def test_a_long_line_to_write_is_printed_whole(capsys):
    names = [f"class number {number}" for number in range(30)]
    np.savez("raw/train.npz", x=np.zeros((60, 4, 4), np.uint8), y=names * 2)
    pixel_csv("test.csv", TEST, Id=TEST_IDS)
    pd.DataFrame({"Id": TEST_IDS, "Label": [names[0].upper(), names[1].upper(), "0"]}).to_csv(
        "raw/sample.csv", index=False
    )
    refused("put the line above", "train.npz")
    assert yaml.safe_load(capsys.readouterr().out)["classes"] == sorted(name.upper() for name in names)


def test_label_sets_are_compared_with_the_sample_too():
    labelled_csvs(["a b", "b", "", "a", "c", "a"], ["A B", "C", "A"])
    train = {"images": "train.csv", "label_separator": " "}
    refused(r"classes: \[A, B, C\]", train)
    ingest(params(train, classes=["A", "B", "C"]), "t")
    assert arrays()["train_labels"].tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("labels", "warned"),
    [
        (["cat", "nan", "dog"], "class 'nan' may mean a missing label"),
        (["cat", "N/A", "dog"], "class 'N/A' may mean a missing label"),
        (["cat", "Cat", "dog"], "classes 'Cat' and 'cat' may be one class in two spellings"),
        (["01", "1.0", "2"], "classes '01' and '1.0' may be one class in two spellings"),
    ],
)
def test_doubtful_classes_are_warned_of(labels, warned, capsys):
    labelled_csvs(labels * 2, ["", "", ""])
    ingest(params(), "t")
    assert capsys.readouterr().err == f"ingest: warning: raw/train.csv: {warned}\n"


def test_letters_are_no_truth_values(capsys):
    labelled_csvs(list("tfynTN"), list("tfy"))
    ingest(params(), "t")
    assert capsys.readouterr().err.count("two spellings") == 2  # t and T, n and N
