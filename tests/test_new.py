"""A folder of raw files becomes an entry of params.yaml that loads."""

import gzip
import json

import pandas as pd
import pytest
import yaml

from pipeline import ingest, new
from pipeline.config.schema import load_params
from pipeline.readers.new_entry import STRONG_EPOCHS
from pipeline.readers.survey import survey
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from tests.competitions import raw_files
from tests.projects import ROOT, member, task, write_blobs, write_params
from tests.raw_files import zip_bytes

ROLES = {  # images of train and test, labels, of some competitions
    "alaska2-image-steganalysis": (".", "Test", None),
    "aptos2019-blindness-detection": ("train_images", "test_images", "train.csv"),
    "dogs-vs-cats-redux-kernels-edition": ("train", "test", None),
    "herbarium-2020-fgvc7": ("nybg2020/train", "nybg2020/test", "nybg2020/train/metadata.json"),
    "iwildcam-2020-fgvc7": ("train", "test", "iwildcam2020_train_annotations.json"),
    "leaf-classification": ("images", "images", "train.csv"),
    "siim-isic-melanoma-classification": ("jpeg/train", "jpeg/test", "train.csv"),
    "statoil-iceberg-classifier-challenge": ("train.json", "test.json", None),
}


@pytest.mark.parametrize("name", ROLES)
def test_the_names_of_files_show_their_roles(name, tmp_path):
    raw_files.write(name, tmp_path / "raw")
    files = survey(tmp_path / "raw")
    labels = files.labels.path.relative_to(tmp_path / "raw").as_posix() if files.labels else files.coco
    assert (files.train.name, files.test.name, labels) == ROLES[name]


def test_the_entry_of_photos_is_read_by_ingest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw_files.write("siim-isic-melanoma-classification", tmp_path / "raw")
    new.new("skin", paths.PARAMS.parent / "raw")
    params = load_params(paths.PARAMS)
    assert params.tasks["skin"].split.group_column == "patient_id"
    assert sorted(params.members) == ["skin-quick", "skin-strong"]
    assert "48 train and 16 test images of 40x40x3, 2 classes" in ingest.ingest(params, "skin")
    assert json.loads((paths.arrays("skin") / "about.json").read_text())["classes"] == [0, 1]


@pytest.mark.parametrize(
    ("name", "classes"),
    [("dogs-vs-cats-redux-kernels-edition", ["cat", "dog"]), ("iwildcam-2020-fgvc7", [10, 11, 12, 13])],
)
def test_labels_in_names_and_in_json_are_seen(name, classes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw_files.write(name, tmp_path / "raw")
    new.new("photos", paths.PARAMS.parent / "raw")
    text = paths.PARAMS.read_text().replace("metric: roc_auc", "submission: {positive: dog}\n    metric: roc_auc")
    paths.PARAMS.write_text(text)
    ingest.ingest(load_params(paths.PARAMS), "photos")
    assert json.loads((paths.arrays("photos") / "about.json").read_text())["classes"] == classes


def test_tables_may_be_packed_as_kaggle_has_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw_files.write("aptos2019-blindness-detection", tmp_path / "raw")
    for name, packed in (("train.csv", gzip.compress), ("sample_submission.csv", zip_bytes)):
        path = tmp_path / "raw" / name
        packed_path = path.with_name(f"{name}.gz" if packed is gzip.compress else f"{name}.zip")
        packed_path.write_bytes(packed(path.read_bytes()))
        path.unlink()
    new.new("eyes", paths.PARAMS.parent / "raw")
    assert "48 train and 16 test images of 40x40x3, 5 classes" in ingest.ingest(load_params(paths.PARAMS), "eyes")


def test_the_label_column_is_known_by_its_values(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw_files.write("dog-breed-identification", tmp_path / "raw")
    labels = pd.read_csv("raw/labels.csv").set_axis(["image name", "what it shows"], axis=1)
    labels["what it shows"] = labels["what it shows"].str.upper()
    labels.assign(camera=[f"c{row // 4}" for row in range(len(labels))]).to_csv("raw/labels.csv", index=False)
    new.new("dogs", paths.PARAMS.parent / "raw")
    task = load_params(paths.PARAMS).tasks["dogs"]
    assert (task.ingest.train.label_column, task.split.group_column) == ("what it shows", "camera")


@pytest.mark.parametrize(
    ("name", "separator", "metric"),
    [("plant-pathology-2021-fgvc8", " ", "micro_f1"), ("hotel-id-2021-fgvc8", None, "map_at_k")],
)
def test_sets_of_labels_are_told_from_several_guesses(name, separator, metric, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw_files.write(name, tmp_path / "raw")
    sample = pd.read_csv("raw/sample_submission.csv")
    if separator:
        sample.assign(labels="rust scab").to_csv("raw/sample_submission.csv", index=False)
    new.new("photos", paths.PARAMS.parent / "raw")
    task = load_params(paths.PARAMS).tasks["photos"]
    assert (task.ingest.train.label_separator, task.metric.name) == (separator, metric)


def test_a_table_of_pixels_is_its_own_label_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_blobs(tmp_path / "raw")
    new.new("blobs", paths.PARAMS.parent / "raw")
    assert "60 train and 12 test images of 12x12x1, 3 classes" in ingest.ingest(load_params(paths.PARAMS), "blobs")


def test_the_demo_makes_way_and_other_entries_stay_with_their_comments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_blobs(tmp_path / "raw")
    demo = (ROOT / "params.yaml").read_text()
    paths.PARAMS.write_text(demo)
    new.new("first", paths.PARAMS.parent / "raw")
    assert new.DEMO_COPY.read_text() == demo
    assert list(load_params(paths.PARAMS).tasks) == ["first"]
    paths.PARAMS.write_text(paths.PARAMS.read_text() + "# the end\n")
    first = yaml.safe_load(paths.PARAMS.read_text())["tasks"]["first"]
    new.new("second", paths.PARAMS.parent / "raw")
    tree = yaml.safe_load(paths.PARAMS.read_text())
    assert list(tree["tasks"]) == ["first", "second"] and tree["tasks"]["first"] == first
    assert list(tree["members"]) == ["first-quick", "first-strong", "second-quick", "second-strong"]
    assert "# the end" in paths.PARAMS.read_text()


def test_what_cannot_become_an_entry_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_blobs(tmp_path / "raw")
    write_params(tmp_path, {"blobs": task("raw")}, {"m": member("blobs")})
    before = paths.PARAMS.read_bytes()
    for name, folder, expected in (
        ("a;b", "raw", "starts with a letter"),
        ("blobs", "raw", "blobs is there already"),
        ("other", "nowhere", "expected a folder"),
    ):
        with pytest.raises((BadInput, FileNotFoundError), match=expected):
            new.new(name, paths.PARAMS.parent / folder)
    (tmp_path / "raw" / "sample.csv").unlink()
    with pytest.raises(BadInput, match="no sample submission"):
        new.new("other", paths.PARAMS.parent / "raw")
    assert paths.PARAMS.read_bytes() == before


@pytest.mark.slow
def test_the_hours_rest_on_the_flops_of_the_networks():
    import models
    from models.parts.cost import flops, without_weights
    from pipeline.readers.new_entry import FLOPS_PER_PIXEL

    for name, expected in FLOPS_PER_PIXEL.items():
        is_architecture = name in models.ARCHITECTURES
        options = {} if is_architecture else {"backbone": name, "weights": None}
        with without_weights():
            model = models.build(name if is_architecture else "pretrained", (128, 128, 3), 10, options)
        assert flops(model) / 128**2 == pytest.approx(expected, rel=0.05), name


@pytest.mark.parametrize(
    ("installed", "backbone"), [(True, "efficientnet_lite0"), (False, "efficientnetv2b0")], ids=["package", "download"]
)
def test_photos_start_from_a_pretrained_network(tmp_path, monkeypatch, installed, backbone):
    monkeypatch.chdir(tmp_path)
    raw_files.write("dogs-vs-cats-redux-kernels-edition", tmp_path / "raw")
    path = tmp_path if installed else None
    monkeypatch.setattr("models.registry.backbones.Package.path", lambda package: path)
    new.new("photos", paths.PARAMS.parent / "raw")
    members = load_params(paths.PARAMS).members
    assert [member.architecture for member in members.values()] == ["features", "pretrained"]
    assert all(member.options["backbone"] == backbone for member in members.values())
    assert load_params(paths.PARAMS).tasks["photos"].ingest.resize == "crop"
    assert members["photos-strong"].training.epochs == STRONG_EPOCHS


def test_small_photos_are_enlarged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw_files.write("aerial-cactus-identification", tmp_path / "raw")
    new.new("cactus", paths.PARAMS.parent / "raw")
    members = load_params(paths.PARAMS).members
    assert members["cactus-quick"].options["size_pixels"] == 192
    assert members["cactus-strong"].resize_pixels == (128, 128)
