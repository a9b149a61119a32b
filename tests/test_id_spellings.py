"""Stage ingest: ids are matched with images in the first spelling that fits all."""

import pytest

from pipeline.ingest import ingest
from tests.ingest_project import (
    LABELS,
    TEST,
    TEST_IDS,
    TRAIN,
    arrays,
    label_csv,
    params,
    pixel_csv,
    refused,
    sample,
    save_images,
)

pytestmark = pytest.mark.usefixtures("raw_project")


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
