"""What counts as black: noise and JPEG hide no items, and clean images stay as they are."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from features.images.audit import unlocated_rows
from features.items.black import black_threshold
from features.items.composing import compose, paint
from features.items.locating import crop_items, locate_items

ITEM, CANVAS, COUNT = (20, 20), (48, 96), 3


def composed(n, brightest):
    """Images of upright ellipses of several widths and shades, the darkest half as bright as the brightest."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:20, :20] - 9.5
    pool = np.zeros((30, *ITEM))
    for item, half_width in zip(pool, rng.uniform(4, 10, 30), strict=True):
        item[(rows / 10) ** 2 + (columns / half_width) ** 2 <= 1] = brightest * rng.uniform(0.5, 1)
    composition = compose(rng, n, np.arange(30) % 5 + 1, tuple(range(5, 14)), COUNT, ITEM, CANVAS)
    return paint(composition, np.ceil(pool).astype(np.uint8), CANVAS)[..., None]


def noisy(images, values):
    noise = np.random.default_rng(1).integers(0, values + 1, images.shape)
    return np.minimum(images + noise, 255).astype(np.uint8)


def compressed(images, quality):
    decoded = np.empty_like(images)
    for row, image in enumerate(images[..., 0]):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        decoded[row, ..., 0] = np.asarray(Image.open(file))
    return decoded


@pytest.mark.parametrize("brightest", [255, 12, 1])
def test_clean_images_keep_every_pixel_however_dark(brightest):
    images = composed(60, brightest)
    black = black_threshold(images, COUNT, ITEM)
    assert black == 0
    np.testing.assert_array_equal(crop_items(images, COUNT, ITEM, black), crop_items(images, COUNT, ITEM))


@pytest.mark.parametrize(("brightest", "values"), [(255, 1), (255, 4), (12, 1)])
def test_noise_hides_no_item(brightest, values):
    clean = composed(60, brightest)
    images = noisy(clean, values)
    black = black_threshold(images, COUNT, ITEM)
    assert values <= black < brightest / 2
    boxes = locate_items(images, COUNT, ITEM, black)
    assert (boxes == locate_items(clean, COUNT, ITEM)).all(axis=(1, 2)).mean() > 0.98
    lacking, dropped = unlocated_rows([(images, crop_items(images, COUNT, ITEM, black))], black)
    assert len(lacking) == len(dropped) == 0


@pytest.mark.parametrize(("brightest", "quality"), [(255, 95), (255, 90), (40, 95)])
def test_jpeg_hides_no_item(brightest, quality):
    clean = composed(60, brightest)
    images = compressed(clean, quality)
    black = black_threshold(images, COUNT, ITEM)
    shifts = np.abs(locate_items(images, COUNT, ITEM, black) - locate_items(clean, COUNT, ITEM))
    assert 0 < black < brightest / 2
    assert (shifts <= 2).all(axis=(1, 2)).mean() > 0.97  # items that touch can be split in another place


def test_black_is_black_in_every_window_and_colours_stay():
    image = np.full((1, 30, 60, 3), 3, np.uint8)
    image[0, 5:15, 5:15] = (3, 90, 2)
    image[0, 5:15, 40:50] = (200, 0, 0)
    crops = crop_items(image, 2, (12, 12), black=3)[0]
    assert {tuple(pixel) for pixel in crops[0].reshape(-1, 3).tolist()} == {(0, 0, 0), (3, 90, 2)}
    assert {tuple(pixel) for pixel in crops[1].reshape(-1, 3).tolist()} == {(0, 0, 0), (200, 0, 0)}


def test_a_threshold_that_gains_little_is_not_taken():
    images = np.zeros((20, 12, 24, 1), np.uint8)
    images[:, 1:5, 1:5], images[:, 6:10, 18:22] = 100, 200
    images[:8, 3:9, 5:12] = 10  # no window holds these parts, the first four of which are gone at a threshold of 10
    images[4:8, 3:9, 5:12] = 250
    assert black_threshold(images, 2, (5, 5)) == 0


def test_images_without_a_single_row_have_a_threshold():
    assert black_threshold(np.zeros((0, 8, 8, 1), np.uint8), 1, (2, 2)) == 0


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9, 1.0])
def test_the_work_for_an_image_is_limited(share):
    rng = np.random.default_rng(2)
    images = (255 * (rng.random((2, 64, 128, 1)) < share)).astype(np.uint8)
    calls = 0

    def count_call(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count_call)
    try:
        crop_items(images, 3, (28, 28))
    finally:
        sys.setprofile(None)
    assert calls < 20_000 * len(images)  # up to half a million without a limit
