"""Labels as they come: one folder for both splits, columns of 0 and 1, file names, COCO's JSON, missing rows."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from pipeline.config.raw_files import Split
from pipeline.config.schema import load_params
from pipeline.ingest import ingest
from pipeline.readers.path_patterns import path_fields
from pipeline.storage import paths
from pipeline.storage.columns import load_column
from pipeline.storage.files import BadInput, load_json
from tests.projects import member, task, write_params


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def images(*names):
    """Write grey images that show the place of their name in `names`."""
    for place, name in enumerate(names):
        path = Path("raw", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), place + 1).save(path)


def csv(name, **columns):
    pd.DataFrame(columns).to_csv(Path("raw", name), index=False)
    return name


def run(train, test, **options):
    block = {"folder": "raw", "train": train, "test": test, "sample_submission": "sample.csv", **options}
    write_params(Path(), {"t": task("raw", ingest=block)}, {"m": member("t")})
    return ingest(load_params(paths.PARAMS), "t")


def saved(name):
    return np.load(paths.arrays("t") / f"{name}.npy")


def classes():
    return load_json(paths.arrays("t") / "about.json")["classes"]


def labels():
    return [classes()[index] for index in saved("train_labels")]


def pixels(split):
    return saved(f"{split}_images")[:, 0, 0, 0].tolist()


def test_one_folder_holds_both_splits():
    images("images/1.jpg", "images/2.jpg", "images/3.jpg", "images/4.jpg", "images/5.jpg")
    csv("train.csv", id=[4, 1, 5], species=["b", "a", "a"], margin=[0.1, 0.2, 0.3])
    csv("sample.csv", id=[3, 2], a=[0.5, 0.5], b=[0.5, 0.5])
    run({"images": "images", "labels": "train.csv", "label_column": "species"}, {"images": "images"})
    assert saved("train_ids").tolist() == [1, 4, 5] and labels() == ["a", "b", "a"] and pixels("train") == [1, 4, 5]
    assert saved("test_ids").tolist() == [2, 3] and pixels("test") == [2, 3]


def test_images_of_neither_split_are_refused_or_left_out():
    images(*(f"images/{row}.png" for row in range(12)))
    csv("train.csv", id=range(6), label=[0, 1] * 3)
    csv("sample.csv", id=[6, 7], label=[0, 0])
    files = {"images": "images", "labels": "train.csv"}, {"images": "images"}
    with pytest.raises(BadInput, match=r"train\.csv, whose .* of raw/images: id '6\.png' is missing \(6 such ids\)"):
        run(*files)
    line = run(*files, missing="skip")
    assert "6 train and 2 test images" in line and "left out 4 images without a row, beside the test images" in line


def test_columns_with_one_1_in_each_row_are_one_label():
    images("images/Train_0.jpg", "images/Train_1.jpg", "images/Train_2.jpg", "images/Test_0.jpg")
    csv("train.csv", image_id=["Train_0", "Train_1", "Train_2"], rust=[0, 1, 0], healthy=[1, 0, 1], scab=[0, 0, 0])
    csv("sample.csv", image_id=["Test_0"], rust=[0.3], healthy=[0.3], scab=[0.3])
    run({"images": "images", "labels": "train.csv"}, {"images": "images"})
    assert labels() == ["healthy", "rust", "healthy"] and classes() == ["healthy", "rust", "scab"]


def test_columns_with_several_1_in_a_row_are_label_sets():
    images("train/1.2.3.jpg", "train/1.2.4.jpg", "test/9.jpg")
    names = ["CVC - Normal", "ETT"]
    csv("train.csv", UID=["1.2.3", "1.2.4"], **{"CVC - Normal": ["1.0", "0"], "ETT": [1, 0]}, Patient=["p", "q"])
    csv("sample.csv", UID=["9"], **{name: [0] for name in names})
    run({"images": "train", "labels": "train.csv"}, {"images": "test"})
    assert classes() == names and saved("train_labels").tolist() == [[1, 1], [0, 0]]
    assert load_column("t", "train", "Patient", saved("train_ids")).tolist() == ["p", "q"]


def test_columns_of_other_numbers_are_refused():
    images("train/1.jpg", "train/2.jpg", "test/9.jpg")
    csv("train.csv", id=[1, 2], a=[0, 2], b=[1, 0])
    csv("sample.csv", id=[9], a=[0], b=[0])
    with pytest.raises(BadInput, match=r"train\.csv: column 'a' of label_columns has '2', expected 0 or 1"):
        run({"images": "train", "labels": "train.csv"}, {"images": "test"})
    with pytest.raises(BadInput, match=r"label_columns 'c' is 0 times in the header \(id, a, b\)"):
        run({"images": "train", "labels": "train.csv", "label_columns": ["a", "c"]}, {"images": "test"})


def test_the_label_is_in_the_name_of_the_file():
    images("train/cat.0.jpg", "train/dog.0.jpg", "train/cat.1.jpg", "test/1.jpg")
    csv("sample.csv", id=[1], label=["cat"])
    run({"images": "train", "path_pattern": "{label}.*"}, {"images": "test"})
    assert labels() == ["cat", "cat", "dog"] and saved("train_ids").tolist() == ["cat.0", "cat.1", "dog.0"]
    with pytest.raises(BadInput, match=r"raw/train: 'cat.0.jpg' does not fit the path_pattern '\{label\}_\*'"):
        run({"images": "train", "path_pattern": "{label}_*"}, {"images": "test"})


def test_subfolders_are_labels_but_not_the_test_folder_and_names_become_columns():
    images("Cover/1.jpg", "Cover/2.jpg", "UERD/1.jpg", "Test/1.jpg")
    csv("sample.csv", Id=["1.jpg"], Label=["Cover"])
    run({"images": ".", "path_pattern": "{label}/{picture}.*"}, {"images": "Test"})
    assert labels() == ["Cover", "Cover", "UERD"]
    assert load_column("t", "train", "picture", saved("train_ids")).tolist() == ["1", "2", "1"]
    run({"images": "."}, {"images": "Test"})
    assert labels() == ["Cover", "Cover", "UERD"]


@given(st.lists(st.text("ab1_", min_size=1), min_size=1, max_size=4))
def test_a_pattern_returns_what_a_path_was_written_with(texts):
    names = [f"n{place}" for place in range(len(texts))]
    fields = path_fields("x-" + "/".join(f"{{{name}}}" for name in names) + ".*", ("x-" + "/".join(texts) + ".b.png",))
    assert fields.iloc[0].to_dict() == dict(zip(names, texts, strict=True))


@pytest.mark.parametrize("pattern", ["*.jpg", "{label}{id}", "{a}.{a}", "{label}*", "(a+)+{", "{}"])
def test_patterns_that_are_unclear_are_refused(pattern):
    with pytest.raises(ValidationError, match=r"is not a pattern|expected a text such as"):
        Split(images="x", path_pattern=pattern)


def coco(name, ids, categories=None, **image):
    tree = {"images": [{"id": i, "file_name": f"a/{i}.jpg", "location": i % 2, **image} for i in ids]}
    if categories:
        pairs = [(i, one) for i, of_image in zip(ids, categories, strict=True) for one in of_image]
        tree["annotations"] = [{"id": n, "image_id": i, "category_id": c} for n, (i, c) in enumerate(pairs)]
        tree["categories"] = [{"id": 7, "name": "seven"}, {"id": 9, "name": "nine"}]
    Path("raw", name).write_text(json.dumps(tree))
    return name


def test_coco_names_files_and_categories():
    images("train/a/31.jpg", "train/a/32.jpg", "train/a/33.jpg", "test/a/5.jpg", "test/a/6.jpg")
    coco("train.json", [33, 31, 32], [[9], [7], [9]])
    Path("raw/test.json").write_text(json.dumps([{"image_id": i, "file_name": f"a/{i}.jpg"} for i in (6, 5)]))
    csv("sample.csv", Id=[5, 6], Predicted=[7, 9])
    run({"images": "train", "labels": "train.json"}, {"images": "test", "labels": "test.json"})
    assert saved("train_ids").tolist() == [31, 32, 33] and labels() == [7, 9, 9]
    assert saved("test_ids").tolist() == [5, 6] and pixels("test") == [4, 5]
    assert load_column("t", "train", "location", saved("train_ids")).tolist() == ["1", "0", "1"]


def test_coco_with_several_categories_are_label_sets_if_declared():
    images("train/a/1.jpg", "train/a/2.jpg", "test/5.jpg")
    coco("train.json", [1, 2], [[9, 7, 9], [7]])
    csv("sample.csv", Id=[5], Predicted=["7 9"])
    with pytest.raises(BadInput, match=r"train\.json: image '1' has 2 categories; declare label_separator"):
        run({"images": "train", "labels": "train.json"}, {"images": "test"})
    run({"images": "train", "labels": "train.json", "label_separator": " "}, {"images": "test"})
    assert classes() == [7, 9] and saved("train_labels").tolist() == [[1, 1], [1, 0]]


@pytest.mark.parametrize("text", ["[1, 2]", "{}", '{"images": [{"id": 1}]}', '{"images": 3}', "[" * 5000, '{"images"'])
def test_damaged_json_ends_in_one_sentence(text):
    images("train/1.jpg", "test/5.jpg")
    csv("sample.csv", Id=[5], Predicted=[7])
    Path("raw/train.json").write_text(text)
    with pytest.raises(BadInput, match=r"raw/train\.json: ") as caught:
        run({"images": "train", "labels": "train.json"}, {"images": "test"})
    assert len(str(caught.value)) <= 300


def test_few_missing_rows_and_images_are_left_out_and_named_once(capsys):
    images(*(f"train/{row}.png" for row in range(41)), "test/7.png")
    csv("train.csv", id=[*range(1, 41), 99], label=[0, 1] * 20 + [0])
    csv("sample.csv", id=[7], label=[0])
    line = run({"images": "train", "labels": "train.csv"}, {"images": "test"})
    sentence = "left out 1 rows without an image, for example id '99' and 1 images without a row, for example '0.png'"
    assert sentence in line and sentence in capsys.readouterr().err
    assert saved("train_ids").tolist() == list(range(1, 41)) and pixels("train") == list(range(2, 42))


def test_many_missing_ones_are_refused_unless_the_entry_skips_them():
    images(*(f"train/{row}.png" for row in range(20)), "test/7.png")
    csv("train.csv", id=range(18), label=[0, 1] * 9)
    csv("sample.csv", id=[7], label=[0])
    files = {"images": "train", "labels": "train.csv"}, {"images": "test"}
    with pytest.raises(BadInput, match=r"train\.csv, whose ids are joined to those of raw/train: id '?18"):
        run(*files)
    assert "18 train" in run(*files, missing="skip")
    csv("train.csv", id=[f"x{row}" for row in range(18)], label=[0, 1] * 9)
    with pytest.raises(BadInput, match="is missing"):
        run(*files, missing="skip")


def test_test_images_must_be_those_of_the_sample():
    images("train/a/1.png", "train/b/1.png", *(f"test/{row}.png" for row in range(3)))
    csv("sample.csv", id=[0, 1], label=["a", "a"])
    with pytest.raises(BadInput, match=r"'2\.png' is not expected"):
        run({"images": "train"}, {"images": "test"})
    assert "left out 1 test images that the sample does not name" in run(
        {"images": "train"}, {"images": "test"}, missing="skip"
    )
    csv("sample.csv", id=[0, 5], label=["a", "a"])
    with pytest.raises(BadInput, match="id 5 is missing"):
        run({"images": "train"}, {"images": "test"}, missing="skip")
