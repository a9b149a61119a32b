import numpy as np
import pytest

from features.augment import augmented, erase, flip, shift, view, views


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(1, 255, (40, 9, 7, 3), dtype=np.uint8)


def test_flip_mirrors_some_and_keeps_the_rest(images):
    out = flip(images, np.random.default_rng(1))
    same = (out == images).all((1, 2, 3))
    mirrored = (out == images[:, :, ::-1]).all((1, 2, 3))
    assert (same | mirrored).all()
    assert 5 < mirrored.sum() < 35


def test_shift_moves_without_wrapping(images):
    out = shift(images, 2, np.random.default_rng(1))
    assert out.shape == images.shape
    offsets = set()
    for before, after in zip(images, out, strict=True):
        padded = np.pad(before, ((2, 2), (2, 2), (0, 0)))
        found = [(d, r) for d in range(5) for r in range(5) if (padded[d : d + 9, r : r + 7] == after).all()]
        assert len(found) == 1
        offsets.update(found)
    assert len(offsets) > 10


def test_erase_blackens_at_most_one_square(images):
    out = erase(images, 3, np.random.default_rng(1))
    assert ((out == images) | (out == 0)).all()
    counts = (out[..., 0] == 0).sum((1, 2))
    assert counts.max() == 9
    assert counts.min() >= 2


def test_augmentation_is_seeded_and_takes_items(images):
    items = images.reshape(20, 2, 9, 7, 3)
    options = {"flip_on": True, "shift_pixels": 1, "erase_pixels": 2}
    first, again, other = (augmented(items, np.random.default_rng(seed), **options) for seed in (5, 5, 6))
    assert first.shape == items.shape
    assert (first == again).all()
    assert (first != other).any()


def test_without_options_nothing_changes(images):
    assert (augmented(images, np.random.default_rng(0)) == images).all()


def test_views_are_the_product_of_flips_and_shifts(images):
    assert views(False, 0) == [(False, 0)]
    assert len(views(True, 1)) == 6
    assert (view(images, True, 0) == images[:, :, ::-1]).all()
    moved = view(images, False, 1)
    assert (moved[:, 1:, 1:] == images[:, :-1, :-1]).all()
    assert not moved[:, 0].any()
    back = view(images, False, -1)
    assert (back[:, :-1, :-1] == images[:, 1:, 1:]).all()
