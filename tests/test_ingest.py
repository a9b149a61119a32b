"""Stage ingest: what users bring becomes arrays, or one sentence that names the file and leaves nothing behind."""

import errno
import gzip
import io
import pickle
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from pipeline.config.schema import load_params
from pipeline.ingest import ingest
from pipeline.storage import paths
from pipeline.storage.files import BadInput, load_json

ROOT = Path(__file__).parents[1]
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 4, 4)).astype(np.uint8)
TRAIN, TEST = PIXELS[:6], PIXELS[6:]
LABELS = np.array([7, 5, 6, 5, 6, 7])
TEST_IDS = [31, 30, 32]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("raw").mkdir()
    sample(TEST_IDS)


def sample(ids, name="sample.csv"):
    pd.DataFrame({"Id": ids, "Label": 5}).to_csv(Path("raw", name), index=False)


def pixel_csv(name, images, **columns):
    frame = pd.DataFrame(images.reshape(len(images), -1)).add_prefix("p")
    for position, (column, values) in enumerate(columns.items()):
        frame.insert(position, column, values)
    frame.to_csv(Path("raw", name), index=False)
    return name


def label_csv(name="labels.csv", ids=range(6), labels=LABELS):
    pd.DataFrame({"id": ids, "class": labels}).to_csv(Path("raw", name), index=False)
    return name


def pickled(name, images):
    Path("raw", name).write_bytes(pickle.dumps(images, 2))
    return name


def good_csvs():
    pixel_csv("train.csv", TRAIN, Id=range(6), Label=LABELS)
    pixel_csv("test.csv", TEST, Id=TEST_IDS)


def params(train="train.csv", test="test.csv", **options):
    def split(value):
        return value if isinstance(value, dict) else {"images": value}

    block = {
        "folder": "raw",
        "train": split(train),
        "test": split(test),
        "sample_submission": "sample.csv",
        **options,
    }
    task = {"ingest": block, "prepare": {}, "split": {}, "predict": {}, "ensemble": {}}
    Path("params.yaml").write_text(yaml.safe_dump({"tasks": {"t": task}, "members": {}}))
    return load_params(Path("params.yaml"))


def arrays():
    return {path.stem: np.load(path) for path in paths.arrays("t").glob("*.npy")}


def refused(match, *arguments, **options):
    with pytest.raises(BadInput, match=match) as caught:
        ingest(params(*arguments, **options), "t")
    assert "\n" not in str(caught.value)
    assert list(Path().glob("artifacts/t/*")) == []


def command(*limits):
    """Run the stage as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline.ingest", "t"],
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},  # a file size limit would cut compiled code
        capture_output=True,
        text=True,
        preexec_fn=lambda: [resource.setrlimit(*limit) for limit in limits],
    )


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


def save_images(folder, names, images):
    for name, image in zip(names, images, strict=True):
        path = Path("raw", folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def test_folders_with_a_folder_per_class():
    save_images("train", ["b/1.png", "a/10.png", "a/9.png", "b/2.png", "a/1.png", "b/3.png"], TRAIN)
    save_images("test", ["30.png", "31.png", "32.png"], TEST)
    ingest(params("train", "test"), "t")
    assert arrays()["train_ids"].tolist() == ["a/1", "a/9", "a/10", "b/1", "b/2", "b/3"]
    np.testing.assert_array_equal(arrays()["train_images"][..., 0], TRAIN[[4, 2, 1, 0, 3, 5]])
    assert load_json(paths.arrays("t") / "about.json")["classes"] == ["a", "b"]
    assert arrays()["test_ids"].tolist() == [30, 31, 32]


@pytest.mark.parametrize("suffix", ["", ".png"])
def test_flat_folders_match_names_with_or_without_extension(suffix):
    save_images("train", [f"00{number}.png" for number in range(6)], TRAIN)
    save_images("test/unknown", [f"{number}.png" for number in TEST_IDS], TEST)
    label_csv(ids=[f"00{number}{suffix}" for number in range(6)])
    sample([f"{number}{suffix}" for number in TEST_IDS])
    ingest(params({"images": "train", "labels": "labels.csv"}, "test"), "t")
    assert arrays()["train_ids"].tolist() == [f"00{number}{suffix}" for number in range(6)]
    assert arrays()["train_labels"].tolist() == [2, 0, 1, 0, 1, 2]
    assert sorted(arrays()["test_ids"].astype(str)) == [f"{number}{suffix}" for number in sorted(TEST_IDS)]


def test_files_that_differ_by_extension_alone_are_told_apart():
    save_images("train", ["1.png", "1.bmp", "2.png", "2.bmp", "3.png", "3.bmp"], TRAIN)
    pixel_csv("test.csv", TEST)
    label_csv(ids=["1.png", "1.bmp", "2.png", "2.bmp", "3.png", "3.bmp"])
    ingest(params({"images": "train", "labels": "labels.csv"}), "t")
    expected = dict(zip(["1.png", "1.bmp", "2.png", "2.bmp", "3.png", "3.bmp"], [2, 0, 1, 0, 1, 2], strict=True))
    assert dict(zip(arrays()["train_ids"].tolist(), arrays()["train_labels"].tolist(), strict=True)) == expected


@pytest.mark.parametrize("missing", ["raw/train.csv", "raw/test.csv", "raw/sample.csv"])
def test_a_missing_file_is_named(missing):
    good_csvs()
    params()
    Path(missing).unlink()
    result = command()
    assert result.returncode == 1 and result.stderr == f"ingest: error: {missing}: no such file or directory\n"
    assert not paths.arrays("t").exists()


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


def test_a_malicious_pickle_ends_in_one_sentence():
    pixel_csv("test.csv", TEST)
    Path("raw/Train.pkl").write_bytes(b"cos\nsystem\n(S'touch it-ran'\ntR.")
    params("Train.pkl")
    result = command()
    assert result.returncode == 1 and not Path("it-ran").exists()
    assert result.stderr == (
        "ingest: error: raw/Train.pkl: the pickle holds 'os.system', expected a numpy array and nothing else\n"
    )


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


def test_a_truncated_gzip_leaves_nothing_behind():
    good_csvs()
    whole = gzip.compress(Path("raw/train.csv").read_bytes())
    Path("raw/train.csv.gz").write_bytes(whole[: len(whole) // 2])
    refused(r"raw/train\.csv\.gz: truncated or corrupt", "train.csv.gz")


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


def labelled_csvs(labels, cells):
    pixel_csv("train.csv", TRAIN, Id=range(6), Label=labels)
    pixel_csv("test.csv", TEST, Id=TEST_IDS)
    pd.DataFrame({"Id": TEST_IDS, "Label": cells}).to_csv("raw/sample.csv", index=False)


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


@pytest.mark.parametrize(
    ("files", "ids", "spelling"),
    [
        (["img_1", "img_2", "img_3"], ["img_1.jpg", "img_2.jpg", "img_3.jpg"], "without suffix"),
        (["img_1", "img_2", "img_3"], ["test/img_1.png", "test/img_2.png", "test/img_3.png"], "without folders"),
        (["img_1", "img_2", "img_3"], ["a\\IMG_1.PNG", "a\\IMG_2.PNG", "a\\IMG_3.PNG"], "without folders, in any case"),
        (["caf\u00e9", "b\u00e4r", "x"], ["cafe\u0301.png", "ba\u0308r.png", "x.png"], "in one Unicode form"),
        (["001", "002", "010"], [1, 2, 10], "without suffix, without leading zeros"),
    ],
)
def test_ids_are_matched_in_the_first_spelling_that_fits_all_and_it_is_said(files, ids, spelling):
    save_images("test", [f"{name}.png" for name in files], TEST)
    pixel_csv("train.csv", TRAIN, Id=range(6), Label=LABELS)
    sample(ids)
    assert f"; test ids match {spelling} in" in f"{ingest(params(test='test'), 't')} in"
    pixel_of_id = dict(zip(arrays()["test_ids"].tolist(), arrays()["test_images"][:, 0, 0, 0].tolist(), strict=True))
    assert pixel_of_id == dict(zip(ids, TEST[:, 0, 0].tolist(), strict=True))  # the sample's ids, each with its image


def test_labels_are_matched_in_the_same_way():
    save_images("train", [f"{number:03}.png" for number in range(6)], TRAIN)
    pixel_csv("test.csv", TEST, Id=TEST_IDS)
    label_csv(ids=[f"{number}.JPG" for number in range(6)])
    summary_line = ingest(params({"images": "train", "labels": "labels.csv"}), "t")
    assert "; train ids match without suffix, without leading zeros" in summary_line
    assert arrays()["train_labels"].tolist() == [2, 0, 1, 0, 1, 2]


def test_a_failed_join_shows_both_sides_and_what_matches_how():
    save_images("test", ["a1.png", "a2.png", "B3.png"], TEST)
    pixel_csv("train.csv", TRAIN, Id=range(6), Label=LABELS)
    sample(["a1", "A2", "c4"])
    refused(
        r"id 'c4' is missing \(1 such ids\), id 'B3.png' is not expected \(1 such ids\); ids that match: "
        r"0 as written, 0 without folders, 1 without suffix, 0 in any case, .* 2 all of it",
        test="test",
    )


def test_colour_rows_may_lie_plane_by_plane():
    ramp = np.arange(12) * 8
    colours = ramp[:, None, None] + ramp[None, :, None] + np.array([0, 40, 70])
    images = np.stack([colours + shift for shift in range(6)]).astype(np.uint8)
    planes = np.moveaxis(images, 3, 1)
    np.save("raw/test.npy", images[:3])
    for name, rows, told in (("pixels", images, ""), ("planes", planes, "; colours read plane by plane")):
        pixel_csv(f"{name}.csv", rows, Label=LABELS)
        np.savez(f"raw/{name}.npz", x=rows.reshape(6, -1), y=LABELS)
        for suffix in ("csv", "npz"):
            line = ingest(params(f"{name}.{suffix}", "test.npy"), "t")
            assert line.endswith("3 classes, submission: label" + told)
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
