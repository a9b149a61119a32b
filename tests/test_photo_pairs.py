"""The images of two photos, on which transfer is measured."""

import tarfile

import numpy as np
import pandas as pd
from PIL import Image

from pipeline.config.schema import load_params
from published import transfer
from published.folder import HERE

COLOURS = {"ants": (200, 0, 0), "bees": (0, 0, 200)}


def test_pairs_show_the_photos_of_their_labels_and_no_photo_twice():
    photos = [
        (label, Image.new("RGB", (128, 128), (r, 0, b))) for label, (r, _, b) in COLOURS.items() for _ in range(50)
    ]
    for row, (_, photo) in enumerate(photos):
        photo.putpixel((0, 0), (0, row, 0))
    images = transfer.pairs(photos, np.random.default_rng(0))
    used = []
    for label, image in images:
        halves = [np.asarray(image)[:, start : start + 128] for start in (0, 128)]
        colours = {tuple(half[64, 64]) for half in halves}
        assert {name for name, colour in COLOURS.items() if colour in colours} == {*label.split()}
        used += [int(half[0, 0, 1]) for half in halves]
    assert len(used) == len({*used}) > 80
    assert 0.6 < np.mean([" " not in label for label, _ in images]) < 0.95


def test_raw_files_have_an_image_and_a_label_for_each_row(tmp_path):
    archive, photo = tmp_path / "photos.tar", tmp_path / "wide.jpg"
    Image.new("RGB", (300, 200), COLOURS["ants"]).save(photo)
    with tarfile.open(archive, "w") as file:
        for name in ("train/ants/1.jpg", "val/bees/2.jpg"):
            file.add(photo, name)
    photos = transfer.squares(archive)
    transfer.write_raw_files(tmp_path / "raw", photos)
    assert pd.read_csv(tmp_path / "raw" / "train.csv")["label"].tolist() == ["ants", "bees"]
    assert {Image.open(path).size for path in (tmp_path / "raw" / "train").iterdir()} == {(128, 128)}


def test_the_entry_of_transfer_is_legal():
    params = load_params(HERE / "transfer.yaml")
    assert {member.task for member in params.members.values()} == {"photos", "pairs"}
