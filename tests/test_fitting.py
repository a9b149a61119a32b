"""Pictures of any size get the size of the entry: what is shown, where, and without aliasing."""

import numpy as np
import pytest
from PIL import Image

from features.images.fitting import fit_picture
from tests.raw_files import read

BLOCKS = np.repeat(np.array([10, 100, 200], np.uint8), 40)  # from left to right
WIDE = Image.fromarray(np.tile(BLOCKS, (40, 1)))  # 40 high, 120 wide


def fitted(size, fit, background="white", picture=WIDE):
    return np.asarray(fit_picture(picture, size, fit, background))


def test_stretch_shows_all_of_a_picture_in_another_shape():
    assert fitted((12, 12), "stretch")[:, [0, 5, 11]].tolist() == [[10, 100, 200]] * 12


def test_a_crop_of_any_size_lies_inside_the_picture():
    picture = Image.new("RGB", (58, 333))  # 224 * (58 / 224) is more than 58 by a rounding error
    assert fit_picture(picture, (224, 224), "crop", "white").size == (224, 224)


def test_crop_shows_the_middle_in_its_own_shape():
    assert (fitted((8, 8), "crop")[:, 1:-1] == 100).all()
    tall = fitted((8, 8), "crop", picture=WIDE.transpose(Image.Transpose.ROTATE_90))
    assert (tall[1:-1] == 100).all()


@pytest.mark.parametrize("background, value", [("white", 255), ("black", 0)])
def test_pad_shows_all_of_a_picture_on_the_background(background, value):
    pixels = fitted((30, 30), "pad", background)
    assert (pixels[:10] == value).all() and (pixels[20:] == value).all()
    assert pixels[10:20, [0, 15, 29]].tolist() == [[10, 100, 200]] * 10


def test_a_fine_pattern_becomes_its_mean():
    board = Image.fromarray((np.indices((300, 300)).sum(axis=0) % 2 * 255).astype(np.uint8))
    assert np.abs(fitted((30, 30), "stretch", picture=board).astype(int) - 127).max() <= 2


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_photo_looks_as_if_all_of_it_were_decoded(tmp_path, fit, orientation):
    waves = np.sin(np.arange(640) / 40)[:, None] * np.sin(np.arange(960) / 25) * 100 + 128
    exif = Image.Exif()
    exif[0x0112] = orientation
    for suffix in ("jpg", "png"):  # a decoder of JPEG can shrink while it decodes, one of PNG cannot
        folder = tmp_path / suffix
        folder.mkdir()
        Image.fromarray(waves.astype(np.uint8)).save(folder / f"1.{suffix}", quality=95, exif=exif)
    shrunk, whole = (read(tmp_path / suffix, image=(32, 24), fit=fit).images for suffix in ("jpg", "png"))
    assert np.abs(shrunk.astype(int) - whole).max() <= 6
