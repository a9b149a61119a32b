"""Arrays of every layout become images (n, height, width, channels)."""

import numpy as np
import pytest

from features.images.layouts import as_images, colour_layout, flat_shape


@pytest.mark.parametrize(
    ("columns", "image", "shape"),
    [
        (9, None, (3, 3, 1)),
        (12, None, (2, 2, 3)),
        (12, (3, 4), (3, 4, 1)),
        (36, (3, 4), (3, 4, 3)),
        (36, (3, 4, 3), (3, 4, 3)),
        (12, (3, 4, 1), (3, 4, 1)),
        (12, (3, 4, 3), None),
        (36, (3, 4, 1), None),
        (10, None, None),
        (10, (3, 3), None),
        (0, None, None),
    ],
)
def test_the_shape_of_a_flat_row(columns, image, shape):
    assert flat_shape(columns, image) == shape


def test_each_layout_puts_every_value_in_its_place():
    images = np.arange(2 * 3 * 4 * 3).reshape(2, 3, 4, 3)
    planes = np.moveaxis(images, 3, 1)
    for array, layout in [
        (images, "interleaved"),
        (planes, "interleaved"),
        (images.reshape(2, -1), "interleaved"),
        (planes.reshape(2, -1), "planes"),
    ]:
        np.testing.assert_array_equal(as_images(array, (3, 4, 3), layout), images)
    np.testing.assert_array_equal(as_images(images[..., 0]), images[..., :1])


def test_the_layout_of_colours_is_the_smoother_one():
    ramp = np.linspace(0, 255, 64).reshape(8, 8)
    images = np.stack([ramp, 255 - ramp, ramp / 2], axis=-1)[None].repeat(300, axis=0)
    assert colour_layout(images.reshape(300, -1)) == "interleaved"
    assert colour_layout(np.moveaxis(images, 3, 1).reshape(300, -1)) == "planes"
    assert colour_layout(images[..., 0].reshape(300, -1)) is None
