"""Stage prepare: reshaped images with ids beside them, statistics of training images alone, and an audit."""

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.config.schema import load_params
from pipeline.prepare import prepare
from pipeline.storage import paths
from pipeline.storage.files import BadInput, load_json, save_array, save_json

RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def arrays(train, test, labels=None, classes=(5, 6)):
    folder = paths.arrays("t")
    folder.mkdir(parents=True, exist_ok=True)
    labels = np.arange(len(train)) % len(classes) if labels is None else np.array(labels)
    save_array(folder / "train_images.npy", train)
    save_array(folder / "test_images.npy", test)
    save_array(folder / "train_labels.npy", labels.astype(np.int64))
    save_array(folder / "train_ids.npy", np.array([f"r{row}" for row in range(len(train))]))
    save_array(folder / "test_ids.npy", np.arange(len(test)) + 100)
    save_json(folder / "about.json", {"classes": list(classes), "image": list(train.shape[1:])})


def run(**options):
    split = {"images": "x"}
    ingest = {"folder": "raw", "train": split, "test": split, "sample_submission": "s.csv"}
    task = {"ingest": ingest, "prepare": options, "split": {}, "predict": {}, "ensemble": {}}
    Path("params.yaml").write_text(yaml.safe_dump({"tasks": {"t": task}, "members": {}}))
    return prepare(load_params(Path("params.yaml")), "t")


def load_output(name):
    path = paths.images("t") / name
    return load_json(path) if path.suffix == ".json" else np.load(path)


def some(rows, shape=(4, 6, 3)):
    return RANDOM.integers(0, 256, (rows, *shape)).astype(np.uint8)


def test_without_options_images_are_copied_with_ids_and_labels():
    train, test = some(5), some(3)
    arrays(train, test)
    run()
    np.testing.assert_array_equal(load_output("train_images.npy"), train)
    np.testing.assert_array_equal(load_output("test_images.npy"), test)
    assert load_output("train_ids.npy").tolist() == ["r0", "r1", "r2", "r3", "r4"]
    assert load_output("test_ids.npy").tolist() == [100, 101, 102]
    assert load_output("train_labels.npy").tolist() == [0, 1, 0, 1, 0]
    assert load_output("about.json") == {"classes": [5, 6], "image": [4, 6, 3], "items": None}


def test_resize_comes_before_pad():
    arrays(np.full((2, 4, 6, 1), 80, np.uint8), np.full((1, 4, 6, 1), 80, np.uint8))
    run(resize_pixels=[2, 2], pad_pixels=[4, 6])
    for split in ("train", "test"):
        image = load_output(f"{split}_images.npy")[0, ..., 0]
        assert image.shape == (4, 6) and (image[1:3, 2:4] == 80).all() and image.sum() == 320
    assert load_output("about.json")["image"] == [4, 6, 1]


def test_images_larger_than_the_padding_leave_nothing_behind():
    arrays(some(2), some(1))
    with pytest.raises(BadInput, match="artifacts/t/arrays: images of 4x6 are larger than pad_pixels 4x4"):
        run(pad_pixels=[4, 4])
    assert [path.name for path in Path("artifacts/t").iterdir()] == ["arrays"]


def test_statistics_are_of_the_training_images_as_models_see_them():
    train = some(7)
    arrays(train, some(3))
    run(pad_pixels=[8, 8])
    padded = load_output("train_images.npy").astype(float)
    output = load_output("statistics.json")["images"]
    np.testing.assert_allclose(output["mean"], padded.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(output["std"], padded.std(axis=(0, 1, 2)))
    assert load_output("images_mean.npy").dtype == np.float32
    np.testing.assert_allclose(load_output("images_mean.npy"), padded.mean(axis=0), rtol=1e-6)


def test_test_images_have_no_part_in_the_statistics():
    train = some(6)
    arrays(train, some(3))
    run()
    before = {name: (paths.images("t") / name).read_bytes() for name in ("statistics.json", "images_mean.npy")}
    arrays(train, some(5))
    run()
    assert before == {name: (paths.images("t") / name).read_bytes() for name in before}


@pytest.mark.parametrize("name", ["train_images", "train_labels", "train_ids"])
def test_the_digest_knows_every_part_of_the_training_data(name):
    train = some(4)
    arrays(train, some(2))
    run()
    before = load_output("statistics.json")["digest"]
    path = paths.arrays("t") / f"{name}.npy"
    save_array(path, np.load(path)[::-1])
    run()
    assert load_output("statistics.json")["digest"] != before


def test_the_audit_finds_what_is_wrong_and_says_so(capsys):
    train, test = some(6), some(3)
    train[3], train[5], test[1] = train[0], train[0], train[0]
    train[2], test[2] = 17, 0
    arrays(train, test, labels=[0, 1, 1, 0, 1, 1])
    assert run().endswith("3 training images have a copy among them, 3 warning(s) above")
    output = load_output("audit.json")
    assert output["warnings"] == [
        "1 of the train images show one colour only, for example id r2",
        "1 of the test images show one colour only, for example id 102",
        "1 training images occur with several labels, in 3 rows, for example id r0 with 5 and id r5 with 6",
    ]
    assert capsys.readouterr().err.count("prepare: warning: artifacts/t/images/audit.json: ") == 3
    assert output["rows"] == {"train": 6, "test": 3}
    assert output["balance"] == {"5": 2, "6": 4}
    assert output["duplicates_within_train"] == {"groups": 1, "rows": 3, "examples": [["r0", "r3", "r5"]]}
    across = output["duplicates_across_train_and_test"]
    assert across["test_rows"] == 1 and across["examples"] == [{"train": ["r0", "r3", "r5"], "test": [101]}]
    assert output["conflicting_labels"]["examples"] == [{"ids": ["r0", "r3", "r5"], "labels": [5, 5, 6]}]
    assert output["constant_images"] == {
        "train": {"rows": 1, "examples": ["r2"]},
        "test": {"rows": 1, "examples": [102]},
    }
    assert load_output("train_groups.npy").tolist() == [0, 1, 2, 0, 4, 0]


def test_chunks_make_no_difference(monkeypatch):
    train, test = some(9), some(4)
    train[7] = train[1]
    arrays(train, test)
    run(resize_pixels=[3, 3])
    whole = {path.name: path.read_bytes() for path in paths.images("t").iterdir()}
    shutil.rmtree(paths.images("t"))
    monkeypatch.setattr("pipeline.storage.files.CHUNK_BYTES", 100)
    run(resize_pixels=[3, 3])
    assert whole.keys() == {path.name for path in paths.images("t").iterdir()}
    for name in whole.keys() - {"statistics.json"}:  # sums of floats differ in the last digit
        assert (paths.images("t") / name).read_bytes() == whole[name], name


def test_items_are_cropped_and_have_statistics_of_their_own():
    train = np.zeros((4, 10, 20, 1), np.uint8)
    for row in range(4):
        train[row, 1:4, 1:4], train[row, 5:8, 12:15] = 100, 200
    arrays(train, train[:2])
    run(items={"count": 2, "size_pixels": [4, 4], "prices": [1, 2]})
    assert load_output("train_items.npy").shape == (4, 2, 4, 4, 1) and load_output("test_items.npy").shape == (
        2,
        2,
        4,
        4,
        1,
    )
    assert load_output("train_items.npy").sum() == train.sum()
    assert load_output("about.json")["items"] == {"count": 2, "size_pixels": [4, 4], "prices": [1, 2], "black": 0}
    items = load_output("train_items.npy").astype(float)
    np.testing.assert_allclose(load_output("statistics.json")["items"]["mean"], items.mean(axis=(0, 1, 2, 3)))
    assert load_output("items_mean.npy").shape == (4, 4, 1)


def test_images_whose_items_are_not_located_are_told_of(capsys):
    train = np.zeros((300, 10, 20, 1), np.uint8)
    train[:, 1:4, 1:4], train[:, 5:8, 12:15] = 100, 200
    train[7, 5:8, 12:15], train[9, 0, 19] = 0, 50
    arrays(train, train[:4], labels=[0] * 300)
    run(items={"count": 2, "size_pixels": [4, 4], "prices": [1, 2]})
    assert load_output("audit.json")["unlocated_items"] == {
        "train": {"rows": 2, "rows_lacking_items": 1, "rows_with_pixels_in_no_item": 1, "examples": ["r7", "r9"]},
        "test": {"rows": 0, "rows_lacking_items": 0, "rows_with_pixels_in_no_item": 0, "examples": []},
    }
    assert "warning" not in capsys.readouterr().err  # fewer than one in a hundred
    arrays(train[:100], train[:4], labels=[0] * 100)
    run(items={"count": 2, "size_pixels": [4, 4], "prices": [1, 2]})
    assert capsys.readouterr().err == (
        "prepare: warning: artifacts/t/images/audit.json: in 2.0% of the train images items could not be located; "
        "members with 'head: grid' need no located items\n"
    )


def test_test_items_that_no_training_image_shows_are_told_of(capsys):
    train = np.zeros((300, 10, 20, 1), np.uint8)
    train[:, 1:4, 1:4], train[:, 5:8, 12:15] = 100, 200
    train[7, 5:8, 12:15] = 150
    test = train[:4].copy()
    test[0, 1:4, 1:4] = 99
    arrays(train, np.concatenate([train[:30], test[:1]]), labels=[0] * 300)
    run(items={"count": 2, "size_pixels": [4, 4], "prices": [1, 2]})
    assert load_output("audit.json")["known_items"] == {"train": {"rows": 299}, "test": {"rows": 30}}
    assert load_output("audit.json")["warnings"] == [] and capsys.readouterr().err == ""
    arrays(train, test, labels=[0] * 300)
    run(items={"count": 2, "size_pixels": [4, 4], "prices": [1, 2]})
    (warning,) = load_output("audit.json")["warnings"]
    assert warning == (
        "another training image shows every item of 99.7% of the training images and of 75.0% of the test images; "
        "a network may know held-out items by heart, so expect test scores below those out of fold"
    )
    assert capsys.readouterr().err == f"prepare: warning: artifacts/t/images/audit.json: {warning}\n"


def test_noise_between_items_counts_as_black():
    train = np.zeros((100, 10, 20, 1), np.uint8)
    train[:, 1:4, 1:4], train[:, 5:8, 12:15] = 100, 200
    noisy = train + RANDOM.integers(0, 3, train.shape).astype(np.uint8)
    arrays(noisy, train[:4])
    assert "pixels up to 2 count as black between items" in run(
        items={"count": 2, "size_pixels": [4, 4], "prices": [1, 2]}
    )
    assert load_output("about.json")["items"]["black"] == 2
    expected = np.where(noisy > 2, noisy, 0).astype(int)
    assert load_output("train_items.npy").astype(int).sum() == expected.sum()
    assert load_output("audit.json")["unlocated_items"]["train"]["rows"] == 0
    assert load_output("audit.json")["known_items"] is None  # noise makes every item unique


def test_test_images_have_no_part_in_what_counts_as_black():
    train = np.zeros((100, 10, 20, 1), np.uint8)
    train[:, 1:4, 1:4], train[:, 5:8, 12:15] = 100, 200
    arrays(train, train[:50] + RANDOM.integers(0, 3, train[:50].shape).astype(np.uint8))
    assert "count as black" not in run(items={"count": 2, "size_pixels": [4, 4], "prices": [1, 2]})
    assert load_output("about.json")["items"]["black"] == 0
    assert any(
        "of the test images items could not be located" in text for text in load_output("audit.json")["warnings"]
    )


def test_items_without_a_size_are_not_looked_for():
    arrays(some(4), some(2))
    run(items={"count": 2, "prices": [1, 2]})
    assert not list(paths.images("t").glob("*items*"))
    assert load_output("about.json")["items"] == {"count": 2, "prices": [1, 2], "size_pixels": None}
    assert not {"unlocated_items", "known_items"} & load_output("audit.json").keys()


def test_missing_arrays_are_named():
    with pytest.raises(FileNotFoundError, match=r"artifacts/t/arrays/about\.json"):
        run()


def test_what_is_not_changed_is_linked_and_what_is_changed_needs_disk(monkeypatch, capsys):
    arrays(some(4), some(2))
    run()
    first, second = (folder("t") / "train_images.npy" for folder in (paths.arrays, paths.images))
    assert first.samefile(second)
    assert capsys.readouterr().out == ""
    run(resize_pixels=[2, 2])
    assert not first.samefile(second) and np.load(first).shape == (4, 4, 6, 3)
    assert "prepare t: needs 72 bytes of disk" in capsys.readouterr().out
    monkeypatch.setattr(os, "link", _refuse)  # as on a file system without hard links
    run()
    np.testing.assert_array_equal(np.load(first), np.load(second))
    assert not first.samefile(second)


def _refuse(*_):
    raise OSError(errno.EPERM, "not permitted")
