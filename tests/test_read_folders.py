"""Folders of images come back with the labels that subfolders or a CSV give them."""

import os
import socket

import numpy as np
import pytest
from PIL import Image

from pipeline.readers.images import sample
from pipeline.storage.files import BadInput
from tests.raw_files import read, write


def picture(path, value=9, mode="L", size=(3, 2)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value,) * 3 if isinstance(value, int) else value).convert(mode).save(path)


def test_a_flat_folder_is_sorted_by_number(tmp_path):
    for number in (10, 9, 1):
        picture(tmp_path / f"img{number}.png", number)
    picture(tmp_path / ".hidden.png")
    write(tmp_path / "notes.txt", "not an image")
    raw = read(tmp_path)
    assert raw.files == ("img1.png", "img9.png", "img10.png") and raw.labels is None
    assert raw.images.shape == (3, 2, 3, 1) and raw.images[:, 0, 0, 0].tolist() == [1, 9, 10]


def test_subfolders_are_labels(tmp_path):
    for name in ("dog/1.png", "cat/1.jpg", "cat/2.BMP"):
        picture(tmp_path / name)
    raw = read(tmp_path)
    assert raw.files == ("cat/1.jpg", "cat/2.BMP", "dog/1.png")
    assert raw.labels.tolist() == ["cat", "cat", "dog"]
    picture(tmp_path / "stray.png")
    with pytest.raises(BadInput, match=r"stray\.png"):
        read(tmp_path)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colour_modes(tmp_path, mode):
    picture(tmp_path / "a.png", (255, 0, 0), mode)
    assert read(tmp_path).images[0, 0, 0].tolist() == [255, 0, 0]
    assert read(tmp_path, image=(2, 3, 1)).images.shape == (1, 2, 3, 1)


def test_a_grey_palette_is_grey(tmp_path):
    picture(tmp_path / "a.png", 51, "P")
    assert read(tmp_path).images.tolist() == [[[[51]] * 3] * 2]


def test_images_are_grey_if_a_sample_of_them_is(tmp_path, monkeypatch):
    picture(tmp_path / "1.png")
    picture(tmp_path / "2.png", (255, 0, 0), "RGB")
    assert read(tmp_path).images.shape == (2, 2, 3, 3)
    monkeypatch.setattr(sample, "_SAMPLED_FILES", 1)
    with pytest.raises(BadInput, match=r"2\.png: a colour image.*declare image"):
        read(tmp_path)
    assert read(tmp_path, image=(2, 3, 3)).images.shape == (2, 2, 3, 3)


def test_sizes_that_differ_are_refused_with_the_line_that_resizes_them(tmp_path):
    for number, size in enumerate([(3, 2), (400, 300), (800, 600), (1600, 900)]):
        picture(tmp_path / f"{number}.png", size=size)
    sizes = r"1\.png: the image is 300x400, others 2x3 \(\w+: 2x3 to 900x1600, median 450x600\)"
    with pytest.raises(BadInput, match=sizes + r"; .* image: \[192, 256\] "):
        read(tmp_path)
    assert read(tmp_path, image=(192, 256), fit="stretch").images.shape == (4, 192, 256, 1)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp"])
def test_a_corrupt_image_is_named(tmp_path, name):
    picture(tmp_path / name, size=(40, 40))
    whole = (tmp_path / name).read_bytes()
    for data in (whole[: len(whole) // 2], b"", b"nonsense"):
        with pytest.raises(BadInput, match=name):
            read(write(tmp_path / name, data).parent)


def test_a_folder_without_images_is_an_error(tmp_path):
    with pytest.raises(BadInput, match=f"{tmp_path}: no images"):
        read(tmp_path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_a_viewer_shows_them(tmp_path, orientation):
    pixels = np.arange(0, 240, 40, dtype=np.uint8).reshape(2, 3)
    turned = {  # how to store the picture so that the orientation undoes it, after the EXIF standard
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.T,
        6: np.rot90(pixels),
        7: pixels[::-1, ::-1].T,
        8: np.rot90(pixels, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(turned)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read(tmp_path).images[0, :, :, 0], pixels)


@pytest.mark.parametrize("background", ["white", "black"])
@pytest.mark.parametrize("mode", ["LA", "RGBA", "P", "L", "RGB"])
def test_what_is_transparent_shows_the_background(tmp_path, mode, background):
    image = Image.new("RGBA", (2, 1), (200, 200, 200, 255))
    image.putpixel((0, 0), (80, 80, 80, 0))
    if mode in ("LA", "RGBA"):
        image.convert(mode).save(tmp_path / "a.png")
    else:  # one value stands for what is transparent
        opaque = Image.new("RGB", (2, 1), (200, 200, 200))
        opaque.putpixel((0, 0), (80, 80, 80))
        opaque = opaque.quantize(2) if mode == "P" else opaque.convert(mode)
        value = opaque.getpixel((0, 0))
        opaque.save(tmp_path / "a.png", transparency=value)
    shown = {"white": 255, "black": 0}[background]
    assert read(tmp_path, background=background).images[0, 0, :, 0].tolist() == [shown, 200]


def test_only_regular_files_are_taken_for_images(tmp_path):
    picture(tmp_path / "1.png")
    os.mkfifo(tmp_path / "2.png")
    with pytest.raises(BadInput, match=r"2\.png: a named pipe, expected a regular file"):
        read(tmp_path)
    (tmp_path / "2.png").unlink()
    (tmp_path / "2.png").symlink_to("/dev/zero")
    with pytest.raises(BadInput, match=r"2\.png: a device"):
        read(tmp_path)
    (tmp_path / "2.png").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "2.png"))
        with pytest.raises(BadInput, match=r"2\.png: a socket"):
            read(tmp_path)
    (tmp_path / "2.png").unlink()
    (tmp_path / "x.png").mkdir()  # a folder may be called what it likes
    assert read(tmp_path).files == ("1.png",)


def test_warnings_of_pillow_stay_unseen(tmp_path, recwarn, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    picture(tmp_path / "1.png")
    read(tmp_path)
    assert not recwarn.list
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2)
    with pytest.raises(BadInput, match=r"1\.png: not readable as an image: .*decompression bomb"):
        read(tmp_path)
