"""Composing price-sum images."""

import itertools

import numpy as np
import pytest

from features.items.composing import compose, paint

PRICES = np.array([1, 2, 3, 4, 5, 5])
SUMS = tuple(range(5, 14))


def _compose(n, seed=0, canvas=(12, 24), count=3, item=(4, 5), sums=SUMS):
    return compose(np.random.default_rng(seed), n, PRICES, sums, count, item, canvas)


def test_sums_are_balanced_and_true():
    composition = _compose(900 + 4)
    assert np.unique(composition.sums, return_counts=True)[1].tolist() == [101] * 4 + [100] * 5
    assert (PRICES[composition.items].sum(axis=1) == composition.sums).all()
    assert (np.diff(composition.sums) < 0).any()  # shuffled


def test_price_tuples_are_uniform_within_a_sum():
    composition = _compose(9000)
    ways = [way for way in itertools.product(range(1, 6), repeat=3) if sum(way) == 9]
    seen, counts = np.unique(PRICES[composition.items[composition.sums == 9]], axis=0, return_counts=True)
    assert len(seen) == len(ways) == 19
    assert counts.min() > 25 and counts.max() < 90  # 1000 / 19 = 53


def test_items_never_overlap_and_reach_every_place():
    composition = _compose(4000)
    image = paint(composition, np.full((6, 4, 5), 255, np.uint8), (12, 24))
    assert ((image > 0).sum(axis=(1, 2)) == 3 * 4 * 5).all()
    assert composition.corners.min(axis=(0, 1)).tolist() == [0, 0]
    assert composition.corners.max(axis=(0, 1)).tolist() == [8, 19]


def test_the_pool_is_painted_where_the_corners_say():
    pool = np.arange(1, 121, dtype=np.uint8).reshape(6, 4, 5)
    composition = _compose(20)
    images = paint(composition, pool, (12, 24))
    for image, items, corners in zip(images, composition.items, composition.corners, strict=True):
        for item, (top, left) in zip(items, corners, strict=True):
            assert (image[top : top + 4, left : left + 5] == pool[item]).all()


def test_a_seed_gives_the_same_composition():
    first, again, other = _compose(50), _compose(50), _compose(50, seed=1)
    assert (first.items == again.items).all() and (first.corners == again.corners).all()
    assert (first.corners != other.corners).any()


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="do not fit a canvas of"):
        _compose(5, canvas=(4, 14))
    with pytest.raises(ValueError, match="make the sum 16"):
        _compose(5, sums=(9, 16))


@pytest.mark.parametrize(("item", "canvas"), [((4, 2), (8, 3)), ((2, 4), (3, 8)), ((4, 2), (5, 5))])
def test_items_that_are_not_square_must_fit(item, canvas):
    prices = np.array([1])
    compose(np.random.default_rng(0), 2, prices, (2,), 2, item, canvas)
    with pytest.raises(ValueError, match="do not fit a canvas of"):
        compose(np.random.default_rng(0), 2, prices, (3,), 3, item, canvas)
