"""Stage ingest: what does not fit is refused in one sentence that names the file, and leaves nothing behind."""

import errno
import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.ingest import ingest
from pipeline.storage import paths
from pipeline.storage.files import load_json
from tests.ingest_project import (
    LABELS,
    TEST,
    TEST_IDS,
    TRAIN,
    arrays,
    good_csvs,
    label_csv,
    params,
    pickled,
    pixel_csv,
    refused,
    sample,
    save_images,
)

pytestmark = pytest.mark.usefixtures("raw_project")


def test_labels_outside_the_classes():
    good_csvs()
    refused(r"raw/train\.csv: label 7 in row 0 .*5, 6$", classes=[5, 6])


def test_one_class_is_no_competition():
    pixel_csv("train.csv", TRAIN, label=[1] * 6)
    pixel_csv("test.csv", TEST)
    refused(r"raw/train\.csv: every label is 1")


@pytest.mark.parametrize(
    ("ids", "complaint"),
    [
        ([0, 1, 2, 3, 4], "id 5 is missing"),
        ([0, 1, 2, 3, 4, 4], "id 4 occurs twice"),
        ([0, 1, 2, 3, 4, 5, 6], "id 6 is not expected"),
    ],
)
def test_labels_whose_ids_are_not_the_images(ids, complaint):
    pickled("Train.pkl", TRAIN)
    pixel_csv("test.csv", TEST)
    label_csv(ids=ids, labels=np.resize(LABELS, len(ids)))
    refused(rf"raw/labels\.csv.*raw/Train\.pkl: {complaint}", {"images": "Train.pkl", "labels": "labels.csv"})


def test_a_label_count_unlike_the_image_count():
    pixel_csv("test.csv", TEST)
    np.savez("raw/train.npz", x=TRAIN, y=LABELS[:5])
    refused(r"raw/train\.npz: 5 labels for its 6 images", "train.npz")


def test_images_without_labels():
    pixel_csv("test.csv", TEST)
    refused(r"raw/Train\.pkl: no labels", pickled("Train.pkl", TRAIN))


def test_an_id_that_stands_twice():
    good_csvs()
    pixel_csv("train.csv", TRAIN, Id=[0, 1, 2, 3, 4, 0], Label=LABELS)
    refused(r"raw/train\.csv: id 0 occurs twice")


@pytest.mark.parametrize(("ids", "complaint"), [([30, 31, 33], "id 33 is missing"), ([30, 31], "id 32 is not exp")])
def test_a_sample_submission_of_other_ids(ids, complaint):
    good_csvs()
    sample(ids)
    refused(rf"raw/test\.csv.*raw/sample\.csv: {complaint}")


def test_a_sample_submission_of_another_length():
    good_csvs()
    pixel_csv("test.csv", TEST)
    sample([1, 2])
    refused(r"raw/sample\.csv: 2 ids for the 3 images of raw/test\.csv")


def test_test_images_of_another_size():
    good_csvs()
    pixel_csv("test.csv", TEST[:, :3, :3], Id=TEST_IDS)
    refused(r"raw/test\.csv: .*4x4")


def test_colour_in_test_alone():
    good_csvs()
    save_images("test", ["30.png", "31.png", "32.png"], np.stack([TEST] * 3, axis=-1))
    refused(r"raw/test/30\.png: a colour image, but others are grey", test="test")


def test_an_image_size_of_one_number():
    good_csvs()
    refused(r"params\.yaml.*: tasks\.t\.ingest\.image: \[4\]", image=[4])


def test_a_folder_with_a_nul_in_its_name_is_refused():
    good_csvs()
    refused(r"params\.yaml.*tasks\.t\.ingest\.folder: ", folder="raw\0")


def test_a_full_disk_leaves_nothing_behind(monkeypatch):
    good_csvs()
    ingest(params(), "t")
    before = arrays()

    def write(path, *_):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pipeline.storage.files.save_chunks", write)
    with pytest.raises(OSError, match="artifacts/t/arrays") as caught:
        ingest(params(), "t")
    assert caught.value.errno == errno.ENOSPC
    assert [path.name for path in Path("artifacts/t").iterdir()] == ["arrays"]
    assert arrays().keys() == before.keys()  # the earlier arrays are whole


def test_a_truncated_gzip_leaves_nothing_behind():
    good_csvs()
    whole = gzip.compress(Path("raw/train.csv").read_bytes())
    Path("raw/train.csv.gz").write_bytes(whole[: len(whole) // 2])
    refused(r"raw/train\.csv\.gz: truncated or corrupt", "train.csv.gz")


@pytest.mark.parametrize(
    "splits", [("train", "valid"), ("Train", "Test"), ("training", "validation", "test"), ("train_set", "test_set")]
)
def test_a_folder_of_splits_is_no_folder_of_classes(splits):
    for split in splits:
        save_images(f"all/{split}", ["cat/1.png", "dog/2.png", "dog/3.png"], TEST)
    pixel_csv("test.csv", TEST, Id=TEST_IDS)
    refused(rf"raw/all: its subfolder '\w+' is a split.*train\.images.*raw/all/{splits[0]}", "all")
    ingest(params(f"all/{splits[0]}"), "t")
    assert load_json(paths.arrays("t") / "about.json")["classes"] == ["cat", "dog"]


def test_a_vehicle_may_be_a_train_and_any_class_may_be_declared():
    save_images("train", ["train/1.png", "bus/1.png", "test/1.png"], TEST)
    pixel_csv("test.csv", TEST, Id=TEST_IDS)
    refused(r"subfolder 'test' is a split", "train")
    ingest(params("train", classes=["bus", "test", "train"]), "t")
    shutil.rmtree("raw/train/test")
    ingest(params("train"), "t")
    assert load_json(paths.arrays("t") / "about.json")["classes"] == ["bus", "train"]


@pytest.mark.parametrize("cache_type, need", [("hardlink,copy", 100), ("copy", 200)])
def test_too_little_disk_is_refused_before_anything_is_written(monkeypatch, cache_type, need):
    good_csvs()
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text(f"[core]\n    analytics = false\n[cache]\n    type = {cache_type}\n")
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=143 * need // 100))
    refused(rf"artifacts/t/arrays: needs {144 * need // 100} bytes of disk, DVC's cache included, but .* has")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=144 * need // 100))
    ingest(params(), "t")
