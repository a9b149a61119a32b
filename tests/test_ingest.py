"""Stage ingest: what users bring becomes arrays, and the command says so."""

import gzip
import io
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.ingest import ingest
from pipeline.storage import paths
from pipeline.storage.files import load_json
from tests.ingest_project import (
    LABELS,
    ROOT,
    TEST,
    TEST_IDS,
    TRAIN,
    arrays,
    command,
    good_csvs,
    label_csv,
    params,
    pickled,
    pixel_csv,
    refused,
    save_images,
)

pytestmark = pytest.mark.usefixtures("raw_project")


def test_csvs_with_names():
    good_csvs()
    assert "6 train and 3 test images of 4x4x1, 3 classes" in ingest(params(), "t")
    saved = arrays()
    np.testing.assert_array_equal(saved["train_images"][..., 0], TRAIN)
    np.testing.assert_array_equal(saved["test_images"][..., 0], TEST)
    assert saved["train_ids"].tolist() == list(range(6)) and saved["test_ids"].tolist() == TEST_IDS
    assert saved["train_labels"].tolist() == [2, 0, 1, 0, 1, 2]
    assert {saved["train_labels"].dtype, saved["test_ids"].dtype} == {np.dtype(np.int64)}
    assert load_json(paths.arrays("t") / "about.json") == {"classes": [5, 6, 7], "image": [4, 4, 1]}


def test_a_test_file_with_labels_loses_them_and_says_so():
    pixel_csv("train.csv", TRAIN, label=LABELS)
    pixel_csv("test.csv", TEST, label=[5, 6, 7])
    assert "dropped 'label' of test.csv" in ingest(params(), "t")
    assert arrays()["test_ids"].tolist() == TEST_IDS  # the sample submission's, in its order
    assert arrays()["train_ids"].tolist() == list(range(6))


def test_pickles_with_a_label_csv_in_another_order():
    order = [3, 1, 0, 2, 5, 4]
    label_csv(ids=order, labels=LABELS[order])
    train = {"images": pickled("Train.pkl", TRAIN), "labels": "labels.csv"}
    ingest(params(train, pickled("Test.pkl", TEST), classes="5..13"), "t")
    assert arrays()["train_labels"].tolist() == [2, 0, 1, 0, 1, 2]
    assert load_json(paths.arrays("t") / "about.json")["classes"] == list(range(5, 14))


def test_flat_pickles_need_only_the_image_size():
    label_csv()
    train = {"images": pickled("Train.pkl", TRAIN.reshape(6, 16)), "labels": "labels.csv"}
    ingest(params(train, pickled("Test.pkl", TEST.reshape(3, 16)), image=[2, 8]), "t")
    np.testing.assert_array_equal(arrays()["test_images"], TEST.reshape(3, 2, 8, 1))


def test_labels_without_ids_are_in_the_order_of_rows():
    pd.DataFrame({"label": LABELS}).to_csv("raw/labels.csv", index=False)
    np.save("raw/train.npy", TRAIN)
    np.save("raw/labels.npy", LABELS)
    np.save("raw/test.npy", TEST)
    for labels in ("labels.csv", "labels.npy"):
        ingest(params({"images": "train.npy", "labels": labels}, "test.npy"), "t")
        assert arrays()["train_labels"].tolist() == [2, 0, 1, 0, 1, 2]


def test_npz_of_fractions_with_a_scale():
    np.savez("raw/train.npz", images=TRAIN / 255, labels=LABELS)
    np.savez("raw/test.npz", images=TEST / 255, id=TEST_IDS)
    refused(r"raw/train\.npz: image 0 .*declare pixel_scale: 255", "train.npz", "test.npz")
    ingest(params("train.npz", "test.npz", pixel_scale=255), "t")
    np.testing.assert_array_equal(arrays()["train_images"][..., 0], TRAIN)


def test_folders_with_a_folder_per_class():
    save_images("train", ["b/1.png", "a/10.png", "a/9.png", "b/2.png", "a/1.png", "b/3.png"], TRAIN)
    save_images("test", ["30.png", "31.png", "32.png"], TEST)
    ingest(params("train", "test"), "t")
    assert arrays()["train_ids"].tolist() == ["a/1", "a/9", "a/10", "b/1", "b/2", "b/3"]
    np.testing.assert_array_equal(arrays()["train_images"][..., 0], TRAIN[[4, 2, 1, 0, 3, 5]])
    assert load_json(paths.arrays("t") / "about.json")["classes"] == ["a", "b"]
    assert arrays()["test_ids"].tolist() == [30, 31, 32]


@pytest.mark.parametrize("missing", ["raw/train.csv", "raw/test.csv", "raw/sample.csv"])
def test_a_missing_file_is_named(missing):
    good_csvs()
    params()
    Path(missing).unlink()
    result = command()
    assert result.returncode == 1 and result.stderr == f"ingest: error: {missing}: no such file or directory\n"
    assert not paths.arrays("t").exists()


def test_a_malicious_pickle_ends_in_one_sentence():
    pixel_csv("test.csv", TEST)
    Path("raw/Train.pkl").write_bytes(b"cos\nsystem\n(S'touch it-ran'\ntR.")
    params("Train.pkl")
    result = command()
    assert result.returncode == 1 and not Path("it-ran").exists()
    assert result.stderr == (
        "ingest: error: raw/Train.pkl: the pickle holds 'os.system', expected a numpy array and nothing else\n"
    )


def test_a_file_size_limit_ends_in_one_sentence():
    good_csvs()
    params()
    result = command((resource.RLIMIT_FSIZE, (200, 200)))
    assert result.returncode == 1
    assert result.stderr == "ingest: error: artifacts/t/arrays: file too large\n"
    assert list(Path("artifacts/t").iterdir()) == []


def test_the_command_says_what_it_made():
    good_csvs()
    params()
    result = command()
    assert result.returncode == 0 and result.stderr == ""
    space, summary = result.stdout.splitlines()
    assert re.fullmatch(r"ingest t: needs 144 bytes of disk; [0-9.]+ .B are free", space)
    assert summary.startswith("ingest t: 6 train and 3 test images of 4x4x1, 3 classes")


def test_keras_is_not_imported():
    code = "import sys, pipeline.ingest, pipeline.prepare; print({'keras', 'tensorflow'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True) == "set()\n"


def test_gzip_is_told_by_its_bytes_and_not_its_name():
    buffer = io.StringIO()
    pd.DataFrame({"id": range(6), "class": [5, 13, 6, 7, 8, 9]}).to_csv(buffer, index=False)
    Path("raw/TrainLabels.csv").write_bytes(gzip.compress(buffer.getvalue().encode()))
    pixel_csv("test.csv", TEST)
    train = {"images": pickled("Train.pkl", TRAIN), "labels": "TrainLabels.csv"}
    ingest(params(train, classes="5..13"), "t")
    assert arrays()["train_labels"].tolist() == [0, 8, 1, 2, 3, 4]


def test_colour_rows_may_lie_plane_by_plane():
    ramp = np.arange(12) * 8
    colours = ramp[:, None, None] + ramp[None, :, None] + np.array([0, 40, 70])
    images = np.stack([colours + shift for shift in range(6)]).astype(np.uint8)
    planes = np.moveaxis(images, 3, 1)
    np.save("raw/test.npy", images[:3])
    for name, rows, note in (("pixels", images, ""), ("planes", planes, "; colours read plane by plane")):
        pixel_csv(f"{name}.csv", rows, Label=LABELS)
        np.savez(f"raw/{name}.npz", x=rows.reshape(6, -1), y=LABELS)
        for suffix in ("csv", "npz"):
            line = ingest(params(f"{name}.{suffix}", "test.npy"), "t")
            assert line.endswith("3 classes, submission: label" + note)
            np.testing.assert_array_equal(arrays()["train_images"], images)
    ingest(params("planes.npz", pickled("test.pkl", planes[:3].reshape(3, -1)), layout="planes"), "t")
    np.testing.assert_array_equal(arrays()["test_images"], images[:3])
    ingest(params("planes.npz", "test.pkl", layout="interleaved"), "t")
    np.testing.assert_array_equal(arrays()["test_images"].reshape(3, -1), planes[:3].reshape(3, -1))


def test_ink_in_the_alpha_channel_is_seen():
    ink = np.zeros((*TRAIN.shape, 4), np.uint8)
    ink[..., 3] = TRAIN
    save_images("train", [f"{number}.png" for number in range(6)], ink)
    save_images("test", [f"{number}.png" for number in TEST_IDS], ink[:3])
    label_csv()
    train = {"images": "train", "labels": "labels.csv"}
    ingest(params(train, "test"), "t")
    np.testing.assert_array_equal(arrays()["train_images"][..., 0], 255 - TRAIN)  # black on white
    ingest(params(train, "test", background="black"), "t")
    assert not arrays()["train_images"].any()
