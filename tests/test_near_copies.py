"""Near-copies of an image are found, what is different is not, and they stay in one fold."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from features.images import audit
from features.images.near_copies import fingerprints, least_correlation, near_copies, near_copy_groups
from pipeline import ingest, prepare, split
from pipeline.config.schema import load_params
from pipeline.storage import paths
from pipeline.storage.files import load_json
from pipeline.storage.task_data import TaskData
from tests.projects import member, task, write_params


def pictures(count, seed=0, side=64):
    """Return colour pictures with the spectrum of photos."""
    rng = np.random.default_rng(seed)
    layers = [
        [Image.fromarray(rng.integers(0, most, (grid, grid, 3), np.uint8)).resize((side, side)) for _ in range(count)]
        for grid, most in ((5, 100), (12, 80), (28, 40))
    ]
    return sum(np.array(layer) for layer in layers).astype(np.uint8)


def jpeg(picture):
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "jpeg", quality=40)
    return np.asarray(Image.open(stream))


CHANGES = {
    "jpeg": jpeg,
    "brightness": lambda picture: (picture * 0.8 + 10).astype(np.uint8),
    "noise": lambda picture: (picture + np.random.default_rng(1).integers(-9, 10, picture.shape)).astype(np.uint8),
    "shift": lambda picture: np.roll(picture, 2, axis=1),
    "rotation": lambda picture: np.asarray(
        Image.fromarray(picture).rotate(2, Image.Resampling.BICUBIC, fillcolor=(120, 120, 120))
    ),
    "size": lambda picture: np.asarray(Image.fromarray(picture).resize((40, 40)).resize((64, 64))),
    "grey": lambda picture: np.asarray(Image.fromarray(picture).convert("L").convert("RGB")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_picture_is_a_near_copy_of_its_original_alone(change):
    originals = pictures(40)
    known = fingerprints([originals[:15], originals[15:]])
    changed = fingerprints([np.stack([CHANGES[change](picture) for picture in originals])])
    rows, others, correlations = near_copies(changed, known, least_correlation(known))
    assert (rows == others).all() and (correlations > 0.9).all()
    assert len(rows) >= 36  # of 40


def test_groups_are_those_of_a_leader_never_of_a_chain():
    one, other = pictures(2)
    steps = [(one * (1 - share) + other * share).astype(np.uint8) for share in np.linspace(0, 1, 41)]
    prints = fingerprints([np.stack(steps)])
    groups = near_copy_groups(prints, 0.95)
    assert groups[0] == 0 and groups[-1] != 0 and len(set(groups)) > 2  # each step is a near-copy of the next one
    for leader in set(groups):
        members = prints.take(np.flatnonzero(groups == leader))
        assert len(near_copies(members, prints.take(np.array([leader])), 0.95)[0]) == len(members.hashes)


def test_what_is_alike_in_all_images_makes_no_near_copies():
    rows, columns = np.mgrid[:64, :64]
    body = 200 * np.exp(-((rows - 32) ** 2 + (columns - 32) ** 2) / 300)  # as the same bones on every X-ray
    xrays = np.clip(body[..., None] + pictures(60)[..., :1] / 8.0, 0, 255).astype(np.uint8)
    prints = fingerprints([xrays])
    assert least_correlation(prints) > 0.98
    assert (near_copy_groups(prints, least_correlation(prints)) == np.arange(60)).all()


def test_images_of_any_channels_and_constant_images():
    images = np.random.default_rng(0).normal(size=(6, 70, 64, 5)).astype(np.float32)
    images[3:] = 1.0
    prints = fingerprints([images])
    assert near_copy_groups(prints, 0.9).tolist() == list(range(6))  # identical ones are exact copies, found by digest
    assert least_correlation(fingerprints([images[:1]])) == pytest.approx(0.9)
    assert len(fingerprints([]).hashes) == 0


def test_the_audit_counts_groups_of_different_images_and_large_ones():
    copies = np.array([0, 0, 2, 3, *range(4, 40)])
    leaders = copies.copy()
    leaders[[3, 4]] = 2
    leaders[10:30] = 10
    entry = audit.near_copies_within(leaders, copies, np.arange(100, 140))
    assert entry["groups"] == 2 and entry["rows"] == 3 + 20
    assert entry["examples"][0] == [102, 103, 104]
    assert entry["large"] == [{"rows": 20, "example": 110}]


def write_copies(folder: Path, side: int):
    """Write 12 pictures with 3 near-copies each, and test pictures: near-copies of the first four, and four others."""
    originals = pictures(16, side=64)
    changes = [lambda picture: picture, *(CHANGES[name] for name in ("jpeg", "brightness", "grey"))]
    train = {f"{row}-{k}": change(originals[row]) for row in range(12) for k, change in enumerate(changes)}
    test = {f"t{row}": CHANGES["noise"](originals[row if row < 4 else row + 8]) for row in range(8)}
    for part, images in (("train", train), ("test", test)):
        (folder / part).mkdir(parents=True)
        for name, picture in images.items():
            Image.fromarray(picture).resize((side, side)).save(folder / part / f"{name}.png")
    rows = [f"{name},{int(name.split('-')[0]) % 2}\n" for name in train]
    (folder / "labels.csv").write_text("id,label\n" + "".join(rows))
    (folder / "sample.csv").write_text("id,label\n" + "".join(f"{name},0\n" for name in test))


@pytest.mark.parametrize(
    ("side", "key", "is_on"), [(64, None, True), (63, None, False), (63, True, True), (64, False, False)]
)
def test_the_stages_keep_near_copies_in_one_fold(tmp_path, monkeypatch, side, key, is_on):
    monkeypatch.chdir(tmp_path)
    write_copies(Path("raw"), side)
    block = {"folder": "raw", "train": {"images": "train", "labels": "labels.csv"}, "test": {"images": "test"}}
    entry = task("raw", ingest=block | {"sample_submission": "sample.csv"}, split={"count": 3, "near_copies": key})
    write_params(Path(), {"t": entry}, {"m": member("t")})
    params = load_params(paths.PARAMS)
    for run in (ingest.ingest, prepare.prepare, split.split):
        run(params, "t")
    data, report = TaskData("t"), load_json(paths.images("t") / "audit.json")
    pictures_of_rows = np.array([int(name.split("-")[0]) for name in data.train_ids])
    folds_of_pictures = [set(data.folds[pictures_of_rows == picture]) for picture in range(12)]
    assert all(len(folds) == 1 for folds in folds_of_pictures) == is_on
    assert ("near_copies_within_train" in report) == is_on
    if is_on:
        assert report["near_copies_within_train"]["groups"] == 12
        across = report["near_copies_across_train_and_test"]
        assert across["test_rows"] == 4 and across["examples"][0]["test"] == "t0"
        assert "4 of 8 test images are near-copies of training images, for example test id t0" in report["warnings"][-1]
