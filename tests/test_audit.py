"""The audit and the statistics, against definitions written out plainly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from features.images import audit
from features.images.pixels import pad, resize, to_pixels
from features.images.statistics import image_statistics

IMAGES = hnp.arrays(
    np.uint8, st.tuples(st.integers(1, 8), st.just(2), st.just(1), st.just(1)), elements=st.integers(0, 1)
)


def halves(array):
    return [array[: len(array) // 2], array[len(array) // 2 :]]


@given(images=IMAGES)
def test_groups_are_the_first_rows_with_the_same_pixels(images):
    groups = audit.groups_of(audit.row_digests(halves(images)))
    texts = [image.tobytes() for image in images]
    assert groups.tolist() == [texts.index(text) for text in texts]
    assert groups.dtype == np.int64


@given(images=IMAGES)
def test_constant_rows(images):
    expected = [row for row, image in enumerate(images) if len(np.unique(image)) == 1]
    assert audit.constant_rows(halves(images)).tolist() == expected


def test_each_colour_of_a_constant_image_counts():
    images = np.zeros((2, 2, 2, 3), np.uint8)
    images[1, ..., 2] = 7  # plain blue
    assert audit.constant_rows([images]).tolist() == [0]


def digests(*names):
    return [name.encode() for name in names]


def test_duplicates_within():
    result = audit.duplicates_within(digests("a", "b", "a", "c", "b", "a"), np.array([10, 11, 12, 13, 14, 15]))
    assert result == {"groups": 2, "rows": 5, "examples": [[10, 12, 15], [11, 14]]}


def test_duplicates_across():
    result = audit.duplicates_across(
        digests("a", "b", "a"), np.array(["x", "y", "z"]), digests("c", "a", "a"), np.array([1, 2, 3])
    )
    assert result == {
        "groups": 1,
        "train_rows": 2,
        "test_rows": 2,
        "examples": [{"train": ["x", "z"], "test": [2, 3]}],
    }


def test_conflicts_show_the_labels_of_the_user():
    result = audit.label_conflicts(
        digests("a", "a", "b", "b"), np.arange(4), np.array([0, 2, 1, 1]), ["cat", "dog", "owl"]
    )
    assert result == {"groups": 1, "rows": 2, "examples": [{"ids": [0, 1], "labels": ["cat", "owl"]}]}


def test_examples_are_few():
    names = digests(*(f"{row // 2}" for row in range(100)))
    assert len(audit.duplicates_within(names, np.arange(100))["examples"]) == audit.EXAMPLES


@given(
    train=hnp.arrays(np.uint8, (5, 2, 1, 1, 1), elements=st.integers(0, 6)),
    test=hnp.arrays(np.uint8, st.tuples(st.integers(0, 3), *map(st.just, (2, 1, 1, 1))), elements=st.integers(0, 6)),
)
def test_rows_of_known_items_are_those_that_another_training_image_shows(train, test):
    shown = [set(image.ravel()) for image in train]
    others = [set().union(*shown[:row], *shown[row + 1 :]) for row in range(len(train))]
    expected = [row for row in range(len(train)) if shown[row] <= others[row]]
    rows, test_rows = audit.rows_of_known_items(*audit.item_numbers(train, test))
    assert rows.tolist() == expected
    assert test_rows.tolist() == [row for row, image in enumerate(test) if set(image.ravel()) <= set().union(*shown)]


def test_balance_counts_absent_classes_too():
    assert audit.balance(np.array([0, 2, 2]), [5, 6, 7]) == {"5": 1, "6": 0, "7": 2}


@given(
    images=hnp.arrays(
        np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 3]))
    )
)
def test_statistics_are_those_of_numpy(images):
    mean, std, pixel_mean = image_statistics(halves(images))
    np.testing.assert_allclose(mean, images.mean(axis=(0, 1, 2)), atol=1e-9)
    np.testing.assert_allclose(std, images.std(axis=(0, 1, 2), dtype=np.float64), atol=1e-5)
    np.testing.assert_allclose(pixel_mean, images.mean(axis=0), atol=1e-9)


def test_statistics_of_nothing_are_an_error():
    with pytest.raises(ValueError, match="no images"):
        image_statistics([])


def test_pad_centres_on_black():
    padded = pad(np.full((1, 2, 2, 3), 9, np.uint8), (5, 4))
    assert padded.shape == (1, 5, 4, 3) and padded.sum() == 9 * 12
    assert (padded[0, 1:3, 1:3] == 9).all()
    with pytest.raises(ValueError, match="5x4 are larger than pad_pixels 4x4"):
        pad(padded, (4, 4))


@pytest.mark.parametrize("channels", [1, 3])
def test_resize_keeps_channels_apart(channels):
    images = np.zeros((2, 4, 6, channels), np.uint8)
    images[..., -1] = 200
    images[1] //= 2
    resized = resize(images, (8, 3))
    assert resized.shape == (2, 8, 3, channels)
    np.testing.assert_array_equal(resized, np.broadcast_to(images[:, :1, :1], resized.shape))


def test_resize_is_bilinear():
    ramp = np.repeat(np.array([[0, 100]], np.uint8), 2, axis=0).reshape(1, 2, 2, 1)
    assert resize(ramp, (2, 4))[0, 0, :, 0].tolist() == [0, 25, 75, 100]


def test_pixels_beyond_the_first_chunk_are_checked_and_named(monkeypatch):
    monkeypatch.setattr("features.images.pixels.CHUNK_VALUES", 4)
    values = np.zeros((5, 2, 2, 1))
    values[4, 1, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"image 4 .*pixel \(1, 0, 0\): pixel nan"):
        to_pixels(values)


@given(hnp.arrays(np.uint8, 20))
def test_pixels_survive_a_detour_over_fractions(pixels):
    np.testing.assert_array_equal(to_pixels(pixels / np.float32(255), 255.0), pixels)
