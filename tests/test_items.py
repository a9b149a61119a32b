"""Locating items: what is composed is found again, and wild images never fail."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from features.images.audit import unlocated_rows
from features.items.composing import compose, paint
from features.items.locating import crop_items, locate_items

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
        _sorted(crop_pixels) == _sorted(np.stack([_centred(pool[i]) for i in items]))
        for crop_pixels, items in zip(crops, composition.items, strict=True)
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


@pytest.mark.parametrize("turns", range(4))
def test_a_large_and_a_small_item_that_touch_are_split_between_them(turns):
    image = np.zeros((60, 60), np.uint8)
    image[10:38, 5:33], image[15:25, 33:45] = 100, 200
    crops = crop_items(np.rot90(image, turns)[None, ..., None], 2, (28, 28))[0]
    assert sorted(((crop == 100).sum(), (crop == 200).sum()) for crop in crops) == [(0, 120), (784, 0)]


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


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize(("row", "nearest"), [(12, 100), (17, 200)])
def test_a_speckle_that_fits_both_items_joins_the_nearest(row, nearest, turns):
    image = np.zeros((60, 60), np.uint8)
    image[10:20, 10:20] = 100
    image[30:40, 14:24] = 200
    image[10 + row, 17] = 7
    crops = crop_items(np.rot90(image, turns)[None, ..., None], 2, (28, 28))[0]
    assert [set(np.unique(crop)) for crop in crops if 7 in crop] == [{0, 7, nearest}]


@pytest.mark.parametrize("turned", [False, True])
def test_the_nearest_item_is_so_in_a_straight_line(turned):
    image = np.zeros((40, 40), np.uint8)
    image[0:10, 0:10] = 100
    image[17:27, 20:30] = 200
    image[11, 16] = 7  # 1 down and 6 right of the first, 5 up and 3 left of the second: 37 > 34
    crops = crop_items((image.T if turned else image)[None, ..., None], 2, (28, 28))[0]
    assert [set(np.unique(crop)) for crop in crops if 7 in crop] == [{0, 7, 200}]


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


@st.composite
def rectangles(draw):
    """Solid rectangles at any place: apart, touching, overlapping, cut off by the border."""
    image = np.zeros((1, *draw(st.tuples(st.integers(1, 24), st.integers(1, 24))), 1), np.uint8)
    for value in range(1, draw(st.integers(1, 5)) + 1):
        top, left = draw(st.integers(0, image.shape[1] - 1)), draw(st.integers(0, image.shape[2] - 1))
        image[0, top : top + draw(st.integers(1, 9)), left : left + draw(st.integers(1, 9))] = 50 * value
    return image


@settings(max_examples=150)
@given(noise | blobs | rectangles(), st.integers(1, 4), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_wild_images_never_fail_and_no_pixel_is_made_up(images, count, size):
    crops = crop_items(images, count, size)
    assert crops.shape == (len(images), count, *size, images.shape[3]) and crops.dtype == np.uint8
    for image, crop_pixels in zip(images, crops, strict=True):
        for channel in range(image.shape[2]):
            shown = np.bincount(image[..., channel].ravel(), minlength=256)[1:]
            cropped = np.bincount(crop_pixels[..., channel].ravel(), minlength=256)[1:]
            assert (cropped <= shown).all()


@settings(max_examples=150)
@given(noise | blobs | rectangles(), st.integers(1, 4), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_boxes_frame_the_items_that_are_cut_out(images, count, size):
    crops, boxes = crop_items(images, count, size), locate_items(images, count, size)
    assert boxes.shape == (len(images), count, 4)
    assert (boxes >= 0).all() and (boxes[..., 2:] <= images.shape[1:3]).all()
    for crop_pixels, framed in zip(crops.reshape(-1, *crops.shape[2:]), boxes.reshape(-1, 4), strict=True):
        rows, columns = np.nonzero(crop_pixels.any(axis=2))
        sides = (np.ptp(rows) + 1, np.ptp(columns) + 1) if len(rows) else (0, 0)
        assert tuple(framed[2:] - framed[:2]) == sides


@settings(max_examples=150)
@given(rectangles())
def test_as_many_items_as_hang_together_are_found_whole(image):
    labels, count = ndimage.label(image[0, ..., 0], np.ones((3, 3)))
    expected = sorted((r.start, c.start, r.stop, c.stop) for r, c in ndimage.find_objects(labels))
    size = tuple(max(box[2 + axis] - box[axis] for box in expected) for axis in (0, 1))
    assert [tuple(box) for box in locate_items(image, count, size)[0].tolist()] == expected
    lacking, dropped = unlocated_rows([(image, crop_items(image, count, size))])
    assert not len(lacking) and not len(dropped)


def test_what_could_not_be_located_is_known():
    images = np.zeros((5, 20, 30, 3), np.uint8)
    images[0, 2:6, 2:6, 0], images[0, 10:14, 20:24, 2] = 9, 7  # both items
    images[1, 2:6, 2:6, 1] = 9  # one alone
    images[2, 2:6, 2:6], images[2, 10:14, 20:24], images[2, 2, 20] = 9, 7, 1  # a speckle that is nobody's
    images[3] = 50  # no black at all
    crops = crop_items(images, 2, (5, 5))
    lacking, dropped = unlocated_rows([(images[:2], crops[:2]), (images[2:], crops[2:])])
    assert lacking.tolist() == [1, 4] and dropped.tolist() == [2, 3]


@pytest.mark.parametrize("count", [1, 255])
def test_one_to_255_items_are_located(count):
    image = np.zeros((1, 40, 80, 1), np.uint8)
    places = np.unravel_index(np.arange(count), (16, 16))
    image[0, 2 * places[0], 2 * places[1]] = 1 + np.arange(count)[:, None] % 255
    crops = crop_items(image, count, (1, 1))
    assert crops[0].ravel().tolist() == list(range(1, count + 1))


def test_full_noise_at_full_size():
    rng = np.random.default_rng(3)
    images = (rng.integers(0, 256, (3, *CANVAS, 1)) * (rng.random((3, *CANVAS, 1)) < 0.3)).astype(np.uint8)
    assert crop_items(images, 3, ITEM).any(axis=(2, 3, 4)).all()


@pytest.mark.parametrize("images", [np.zeros((1, 4, 4), np.uint8), np.zeros((1, 4, 4, 1), np.float32)])
def test_other_arrays_are_refused(images):
    with pytest.raises(ValueError, match="expected uint8 images"):
        crop_items(images, 1, (2, 2))
    with pytest.raises(ValueError, match="expected uint8 images"):
        locate_items(images, 1, (2, 2))


@pytest.mark.parametrize(("count", "size"), [(0, (2, 2)), (256, (2, 2)), (1, (0, 2))])
def test_impossible_items_are_refused(count, size):
    with pytest.raises(ValueError, match="expected 1 to 255 items of at least one pixel"):
        crop_items(np.zeros((1, 4, 4, 1), np.uint8), count, size)


@pytest.mark.parametrize("specks", [6, 14])
def test_items_in_many_parts_are_found_whole(specks):
    """No limit to the work that an image can cause is reached by items of a dozen parts."""
    image = np.zeros((1, 40, 80, 1), np.uint8)
    for left in (3, 50):
        image[0, 2:30:2, left][:specks] = image[0, 2:30:2, left + 26][:specks] = 9
        image[0, 10:20, left + 8 : left + 20] = 9
    crops = crop_items(image, 2, (28, 28))[0]
    assert [(crop == 9).sum() for crop in crops] == [2 * specks + 120] * 2


def test_of_noise_the_largest_parts_are_looked_at():
    image = np.zeros((1, 60, 120, 1), np.uint8)
    image[0, ::2, ::2] = 1  # 1 800 parts of a pixel
    image[0, 10:30, 10:30], image[0, 25:45, 70:90] = 200, 100
    crops = crop_items(image, 2, (24, 24))[0]
    assert [np.isin(crop, (100, 200)).sum() for crop in crops] == [400, 400]
