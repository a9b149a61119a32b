"""Image files of each format become the pixels that a viewer shows; limits turn measured values into pixels."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from features.images.fitting import fit_picture
from pipeline.config.schema import load_params
from pipeline.ingest import ingest
from pipeline.readers.raw import DamagedImage
from pipeline.storage import paths
from pipeline.storage.files import BadInput
from tests.raw_files import read

COLOURS = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
SMOOTH = (np.add.outer(np.arange(16) * 4, np.arange(24) * 5)[..., None] + [0, 40, 80]).clip(0, 255).astype(np.uint8)
DECIBELS = np.linspace(-40, 0, 6 * 4 * 8, dtype=np.float16).reshape(6, 4, 8)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "TIFF", "webp"])
def test_lossless_formats(tmp_path, suffix):
    Image.fromarray(COLOURS).save(tmp_path / f"a.{suffix}", lossless=True)
    np.testing.assert_array_equal(read(tmp_path).images, COLOURS[None])


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "jpe", "jfif"])
@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_jpeg(tmp_path, suffix, mode):
    Image.fromarray(SMOOTH).convert(mode).save(tmp_path / f"a.{suffix}", "JPEG", quality=98)
    assert np.abs(read(tmp_path).images[0].astype(int) - SMOOTH).mean() < 3


@pytest.mark.parametrize("fit", [None, "stretch", "pad", "crop"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_pixels_of_a_jpeg_are_those_of_pillow(tmp_path, mode, fit):
    smooth = np.add.outer(np.arange(35) * 6, np.arange(51) * 4)[..., None] + [0, 40, 80]
    picture = Image.fromarray((smooth % 256).astype(np.uint8)).convert(mode)
    for number, options in enumerate(({}, {"progressive": True}, {"subsampling": 0}, {"quality": 30})):
        picture.save(tmp_path / f"{number}.jpg", **options)
        picture.save(tmp_path / f"{number}_upright.jpg", exif=Image.Exif(), **options)
    size = None if fit is None else (24, 32)
    images = read(tmp_path, image=size, fit=fit).images
    for image, path in zip(images, sorted(tmp_path.iterdir()), strict=True):
        with Image.open(path) as expected:
            fitted = expected if size is None else fit_picture(expected, size, fit, "white")
            np.testing.assert_array_equal(image.squeeze(-1) if mode == "L" else image, np.asarray(fitted))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_jpeg_that_ends_early_is_damaged(tmp_path, suffix):
    Image.fromarray(COLOURS).resize((64, 64)).save(tmp_path / "whole.jpg")
    (tmp_path / f"a{suffix}").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-200])
    (tmp_path / "whole.jpg").unlink()
    with pytest.raises(DamagedImage, match=f"a{suffix}: not readable as an image"):
        read(tmp_path)


def test_the_first_picture_of_an_animation(tmp_path):
    first, second = (Image.new("RGB", (3, 2), colour) for colour in ("red", "blue"))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert read(tmp_path).images.tolist() == [[[[255, 0, 0]] * 3] * 2]


def test_a_format_is_known_by_the_content(tmp_path):
    Image.new("RGB", (3, 2), "red").save(tmp_path / "a.jpg", "GIF")
    assert read(tmp_path).images.tolist() == [[[[255, 0, 0]] * 3] * 2]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_are_scaled_to_8(tmp_path, suffix):
    values = np.array([[0, 257, 128 * 257], [200 * 257 + 100, 254 * 257, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    assert read(tmp_path).images[0, ..., 0].tolist() == [[0, 1, 128], [200, 254, 255]]
    assert read(tmp_path, limits=((0, 514),)).images[0, 0, :, 0].tolist() == [0, 128, 255]


def test_an_array_is_an_image(tmp_path):
    np.save(tmp_path / "1.npy", COLOURS)
    np.save(tmp_path / "2.npy", np.moveaxis(COLOURS, -1, 0))
    np.testing.assert_array_equal(read(tmp_path).images, [COLOURS, COLOURS])
    np.save(tmp_path / "2.npy", COLOURS[..., 0])
    np.testing.assert_array_equal(read(tmp_path).images[1], np.stack([COLOURS[..., 0]] * 3, axis=-1))


def test_channels_of_measured_values(tmp_path):
    np.save(tmp_path / "1.npy", DECIBELS)
    pixels = read(tmp_path, limits=((-40, 0),)).images
    expected = np.rint((np.moveaxis(DECIBELS, 0, -1).astype(float) + 40) * 255 / 40)
    assert pixels.shape == (1, 4, 8, 6) and np.abs(pixels[0] - expected).max() <= 1
    assert read(tmp_path, limits=((-40, 0),), image=(2, 4), fit="stretch").images.shape == (1, 2, 4, 6)
    for channel in np.moveaxis(read(tmp_path).images[0], -1, 0):  # without declared limits, each channel has its own
        assert channel.min() == 0 and channel.max() == 255


def test_a_file_that_is_no_image_array_is_named(tmp_path):
    np.save(tmp_path / "1.npy", np.zeros((2, 3, 4, 5)))
    with pytest.raises(BadInput, match=r"1\.npy: float64 of shape .*expected numbers \(h, w\)"):
        read(tmp_path)


def ingest_folders(**options):
    """Ingest the folders `train/CLASS` and `test` of the working directory and return the stage's line and arrays."""
    ids = [path.name for path in Path("test").iterdir()]
    pd.DataFrame({"id": ids, "label": "a"}).to_csv("sample.csv", index=False)
    files = {"train": {"images": "train"}, "test": {"images": "test"}, "sample_submission": "sample.csv"}
    task = {"ingest": {"folder": ".", **files, **options}}
    Path("params.yaml").write_text(yaml.safe_dump({"tasks": {"t": task}, "members": {}}))
    line = ingest(load_params(Path("params.yaml")), "t")
    return line, {path.stem: np.load(path) for path in paths.arrays("t").glob("*.npy")}


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("train/a", "train/b", "test"):
        Path(name).mkdir(parents=True)
        for number in range(3):
            Image.new("L", (3, 2), number + 1).save(f"{name}/{number}.png")


def test_limits_are_those_of_the_training_images(folders):
    for path in [*Path("train").rglob("*.png"), *Path("test").rglob("*.png")]:
        np.save(path.with_suffix(".npy"), np.linspace(0, 10, 100).reshape(10, 10) * (10 if "test" in str(path) else 1))
        path.unlink()
    _, arrays = ingest_folders()
    assert (arrays["test_images"][:, 1] > 250).all()  # from 10 on, the largest value of the training images
    assert np.abs(arrays["train_images"][0, 5, 5, 0] - 255 * 55 / 99) < 3


def test_a_damaged_image_is_refused_or_left_out_and_counted(folders, capsys):
    for name in ("train/a/1.png", "test/2.png"):
        Path(name).write_bytes(Path(name).read_bytes()[:40])
    with pytest.raises(BadInput, match=r"train/a/1\.png: not readable as an image"):
        ingest_folders()
    line, arrays = ingest_folders(damaged="skip")
    assert "5 train and 3 test images" in line
    assert "1 damaged train images left out" in line and "1 damaged test images black" in line
    assert "1 damaged train images are left out, for example train/a/1.png: " in capsys.readouterr().err
    assert arrays["train_images"][:, 0, 0, 0].tolist() == [1, 3, 1, 2, 3]
    assert arrays["train_ids"].tolist() == ["a/0", "a/2", "b/0", "b/1", "b/2"]
    assert arrays["train_labels"].tolist() == [0, 0, 1, 1, 1]
    black = arrays["test_ids"].tolist().index("2.png")
    assert (arrays["test_images"][black] == 0).all() and len(arrays["test_images"]) == 3


def test_files_with_other_suffixes_are_counted_and_named(folders):
    Path("train/a/notes.txt").write_text("")
    Path("train/Thumbs.db").write_text("")
    line, _ = ingest_folders()
    assert "; left out 2 other files (1 with .db, 1 with .txt), for example Thumbs.db" in line
