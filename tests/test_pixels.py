"""Pixels become uint8, images are padded and resized."""

import re

import numpy as np
import pytest

from features.images.pixels import pad, resize, to_pixels


@pytest.mark.parametrize(
    ("value", "scale", "complaint"),
    [
        (0.5, 1, "pixel 0.5 is not a whole number in 0..255; declare pixel_scale: 255 if the pixels are 0..1"),
        (1.5, 1, "pixel 1.5 is not a whole number in 0..255"),
        (256.0, 1, "pixel 256.0 is not a whole number in 0..255"),
        (-0.5, 1, "pixel -0.5 is not a whole number in 0..255"),
        (-1.0, 1, "pixel -1.0 is not a whole number in 0..255"),
        (2.0, 255, "pixel 2.0 times pixel_scale 255 is not a whole number in 0..255"),
        (float("nan"), 255, "pixel nan times pixel_scale 255 is not a whole number in 0..255"),
    ],
)
def test_a_bad_pixel_is_named(value, scale, complaint):
    values = np.zeros((3, 2, 4))
    values[1, 0, 2] = value
    with pytest.raises(ValueError, match="^" + re.escape(f"image 1 (counted from 0), pixel (0, 2): {complaint}") + "$"):
        to_pixels(values, scale)


def test_fractions_of_one_are_scaled_and_rounded():
    assert to_pixels(np.array([[0.0, 0.5, 1.0, 0.1]]), 255).tolist() == [[0, 128, 255, 26]]


@pytest.mark.parametrize(("size", "top", "left"), [((6, 8), 2, 2), ((5, 7), 1, 1), ((3, 4), 0, 0)])
def test_padded_images_lie_in_the_middle(size, top, left):
    images = np.arange(1, 2 * 2 * 4 + 1, dtype=np.uint8).reshape(2, 2, 4, 1)
    padded = pad(images, size)
    assert padded.shape == (2, *size, 1) and padded.sum() == images.sum()
    np.testing.assert_array_equal(padded[:, top : top + 2, left : left + 4], images)


def test_each_channel_of_an_image_is_resized():
    images = np.zeros((1, 2, 2, 3), np.uint8)
    images[0, :, 1] = (100, 0, 200)
    resized = resize(images, (2, 4))
    assert resized[0, 0].tolist() == [[0, 0, 0], [25, 0, 50], [75, 0, 150], [100, 0, 200]]
