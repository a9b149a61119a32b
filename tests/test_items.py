"""Locating items: what is composed is found again, and wild images never fail."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from features.compose import compose, paint
from features.items import crop_items

ITEM, CANVAS = (28, 28), (64, 128)


def _garments(rng: np.random.Generator, n: int) -> np.ndarray:
    """Items as tall as their frame, of any width, textured, in one piece."""
    items = np.zeros((n, *ITEM), np.uint8)
    for item in items:
        width = int(rng.integers(6, 29))
        left = (28 - width) // 2
        item[:, left : left + width] = rng.integers(1, 256, (28, width))
    return items


def _centred(item: np.ndarray) -> np.ndarray:
    return crop_items(item[None, ..., None], 1, ITEM)[0, 0, ..., 0]


def _sorted(items: np.ndarray) -> list[bytes]:
    return sorted(item.tobytes() for item in items)


def test_composed_items_are_found_again():
    rng = np.random.default_rng(0)
    pool = _garments(rng, 40)
    composition = compose(rng, 300, np.arange(40) % 5 + 1, tuple(range(5, 14)), 3, ITEM, CANVAS)
    crops = crop_items(paint(composition, pool, CANVAS)[..., None], 3, ITEM)[..., 0]
    whole = [
        _sorted(found) == _sorted(np.stack([_centred(pool[i]) for i in items]))
        for found, items in zip(crops, composition.items, strict=True)
    ]
    assert np.mean(whole) > 0.97  # narrow neighbours that touch can be cut in more than one place


@pytest.mark.parametrize(
    "corners",
    [
        ((5, 0), (5, 28), (33, 90)),
        ((0, 3), (28, 10), (20, 100)),
        ((0, 0), (28, 28), (0, 56)),
        ((2, 10), (30, 38), (30, 66)),
    ],
)
def test_touching_items_are_split(corners):
    rng = np.random.default_rng(1)
    items = rng.integers(1, 256, (3, *ITEM)).astype(np.uint8)
    image = np.zeros(CANVAS, np.uint8)
    for (top, left), item in zip(corners, items, strict=True):
        image[top : top + 28, left : left + 28] = item
    assert _sorted(crop_items(image[None, ..., None], 3, ITEM)[0, ..., 0]) == _sorted(items)


def test_an_item_looks_the_same_wherever_it_lies():
    item = _garments(np.random.default_rng(2), 1)[0]
    images = np.zeros((4, *CANVAS, 1), np.uint8)
    for image, (top, left) in zip(images, ((0, 0), (36, 100), (0, 100), (17, 31)), strict=True):
        image[top : top + 28, left : left + 28, 0] = item
    crops = crop_items(images, 2, ITEM)
    assert crops[:, 0].any() and (crops == crops[:1]).all() and not crops[:, 1].any()


def test_speckles_join_the_nearest_item():
    image = np.zeros((1, 40, 80, 1), np.uint8)
    image[0, 5:25, 5:15] = 100
    image[0, 5:25, 50:60] = 200
    image[0, 10, 17], image[0, 10, 47] = 1, 2
    crops = crop_items(image, 2, (28, 28))[0]
    assert [set(np.unique(crop)) for crop in crops] == [{0, 1, 100}, {0, 2, 200}]


def test_two_speckles_that_touch_are_shared_out():
    image = np.zeros((1, 60, 60, 1), np.uint8)
    image[0, 0:28, 0:10] = 100
    image[0, 28:56, 14:24] = 200
    image[0, 20:36, 12] = 7  # one run along both items, which no single window holds
    crops = crop_items(image, 2, (28, 28))[0]
    assert [(crop == 7).sum() for crop in crops] == [8, 8]


def test_items_are_ordered_by_place_and_keep_their_colours():
    image = np.zeros((1, 20, 30, 3), np.uint8)
    image[0, 10:14, 2:6] = (1, 0, 0)
    image[0, 0:4, 20:24] = (0, 2, 0)
    image[0, 0:4, 10:14] = (0, 0, 3)
    crops = crop_items(image, 3, (4, 4))[0]
    assert crops[:, 0, 0].tolist() == [[0, 0, 3], [0, 2, 0], [1, 0, 0]]


shapes = st.tuples(st.integers(0, 3), st.integers(1, 24), st.integers(1, 24), st.sampled_from((1, 3)))
noise = shapes.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 255), fill=st.just(0)))
blobs = shapes.flatmap(lambda shape: st.integers(0, 255).map(lambda value: np.full(shape, value, np.uint8)))


@settings(max_examples=120)
@given(noise | blobs, st.integers(1, 4), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_wild_images_never_fail_and_no_pixel_is_made_up(images, count, size):
    crops = crop_items(images, count, size)
    assert crops.shape == (len(images), count, *size, images.shape[3]) and crops.dtype == np.uint8
    for image, found in zip(images, crops, strict=True):
        for channel in range(image.shape[2]):
            shown = np.bincount(image[..., channel].ravel(), minlength=256)[1:]
            cropped = np.bincount(found[..., channel].ravel(), minlength=256)[1:]
            assert (cropped <= shown).all()


def test_full_noise_at_full_size():
    rng = np.random.default_rng(3)
    images = (rng.integers(0, 256, (3, *CANVAS, 1)) * (rng.random((3, *CANVAS, 1)) < 0.3)).astype(np.uint8)
    assert crop_items(images, 3, ITEM).any(axis=(2, 3, 4)).all()


@pytest.mark.parametrize("images", [np.zeros((1, 4, 4), np.uint8), np.zeros((1, 4, 4, 1), np.float32)])
def test_other_arrays_are_refused(images):
    with pytest.raises(ValueError, match="expected uint8 images"):
        crop_items(images, 1, (2, 2))
