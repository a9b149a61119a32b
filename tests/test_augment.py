import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from features.augmentation.augment import Augment, augment_images, mix_images
from features.augmentation.colours import jitter
from features.augmentation.erasing import cutout, erase
from features.augmentation.mixing import cutmix, mixup, ricap
from features.augmentation.views import view, views
from features.augmentation.warps import alternating, flip, matrices, shift, warp

KEEPING_LABELS = [
    {"flip": True},
    {"vertical_flip": True},
    {"shift_pixels": 1},
    {"shift_share": 0.2},
    {"rotation_degrees": 20.0},
    {"rescale_share": 0.2},
    {"shear_degrees": 10.0},
    {"crop_share": 0.3},
    {"brightness_share": 0.2},
    {"contrast_share": 0.5},
    {"area_crop_share": 0.6},
    {"saturation_share": 0.6},
    {"hue_share": 0.3},
    {"trivial_augment": True},
    {"erase_probability": 0.5},
    {"cutout_pixels": 3},
]
MIXING = [{"mixup_alpha": 1.0}, {"cutmix_alpha": 1.0}, {"ricap_beta": 0.3}]


def rng(seed=1):
    return np.random.default_rng(seed)


@pytest.fixture
def images():
    return rng(0).integers(1, 255, (40, 9, 7, 3), dtype=np.uint8)


def test_flip_mirrors_the_masked_and_keeps_the_rest(images):
    mask = np.arange(40) % 3 == 0
    out = flip(images, mask)
    assert (out[mask] == images[mask, :, ::-1]).all()
    assert (out[~mask] == images[~mask]).all()
    assert (flip(images, mask, axis=1)[mask] == images[mask, ::-1]).all()


def test_an_alternating_flip_shows_both_sides_in_two_epochs():
    first, second, third = (alternating(1000, rng(3), epoch) for epoch in (0, 1, 2))
    assert (first ^ second).all()
    assert (first == third).all()
    assert 400 < first.sum() < 600


def test_shift_moves_without_wrapping(images):
    out = shift(images, (2, 2), rng())
    assert out.shape == images.shape
    offsets = set()
    for before, after in zip(images, out, strict=True):
        padded = np.pad(before, ((2, 2), (2, 2), (0, 0)))
        corners = [(d, r) for d in range(5) for r in range(5) if (padded[d : d + 9, r : r + 7] == after).all()]
        assert len(corners) == 1
        offsets.update(corners)
    assert len(offsets) > 10


def test_a_shift_by_share_follows_each_side():
    wide = np.full((300, 10, 40, 1), 9, np.uint8)
    wide[:, 5, 20] = 200
    out = augment_images(wide, Augment(shift_share=0.1), rng())
    rows, columns = np.divmod((out == 200).reshape(300, -1).argmax(axis=1), 40)
    assert set(rows) == {4, 5, 6} and set(columns) == set(range(16, 25))


def test_warp_by_a_quarter_turn_is_exact_and_by_nothing_changes_nothing():
    square = rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    identity, turn = np.eye(2, 3)[None].repeat(5, 0), np.array([[[0, -1, 0], [1, 0, 0]]]).repeat(5, 0)
    assert (warp(square, identity) == square).all()
    assert (warp(square, turn) == np.rot90(square, k=1, axes=(1, 2))).all()


def test_warp_beyond_the_border_is_black(images):
    aside = np.tile([[[1.0, 0, 9], [0, 1, 0]]], (40, 1, 1))
    assert not warp(images, aside).any()


def test_a_half_pixel_lies_between_its_neighbours():
    image = np.array([10, 20, 40, 80], np.uint8).reshape(1, 1, 4, 1)
    half_pixel_right = np.array([[[1.0, 0, 0.25], [0, 1, 0]]])  # a quarter of half the side
    assert warp(image, half_pixel_right)[0, 0, :3, 0].tolist() == [15, 30, 60]


def test_matrices_stay_within_their_options():
    rotations = matrices(500, (9, 9), rng(), rotation_degrees=30)
    angles = np.rad2deg(np.arctan2(rotations[:, 1, 0], rotations[:, 0, 0]))
    assert 25 < np.abs(angles).max() <= 30
    assert np.allclose(np.linalg.det(rotations[:, :, :2]), 1)
    scales = np.sqrt(np.linalg.det(matrices(500, (9, 9), rng(), rescale_share=0.25)[:, :, :2]))
    assert scales.min() >= 1 / 1.25 and scales.max() <= 1.25
    assert matrices(500, (9, 9), rng(), crop_share=0.4)[:, 0, 0].min() >= 0.6


@pytest.mark.parametrize("shape", [(64, 128), (128, 64), (40, 40), (1, 30), (7, 1)])
def test_a_crop_cuts_up_to_its_share_off_each_side_and_shows_nothing_else(shape):
    """A ramp along each side tells which places of the image the first and the last pixel come from."""
    count, share = 300, 0.3
    white = np.full((count, *shape, 1), 255, np.uint8)
    assert (warp(white, matrices(count, shape, rng(), crop_share=share)) == 255).all()
    for axis, side in enumerate(shape):
        places = np.expand_dims(np.linspace(0, 255, side), tuple({0, 1} - {axis}))
        ramp = np.broadcast_to(np.rint(places).astype(np.uint8), shape)[None, ..., None].repeat(count, 0)
        cropped = warp(ramp, matrices(count, shape, rng(), crop_share=share))[..., 0].astype(float)
        low, high = cropped.min(axis=(1, 2)), cropped.max(axis=(1, 2))
        if side > 1:
            cut = 1 - (high - low) / 255
            assert -0.01 <= cut.min() < 0.02 and 0.28 < cut.max() <= share + 0.01
            assert low.max() > 0.2 * 255 and high.min() < 0.8 * 255, "the place is random on both ends"


@pytest.mark.parametrize(
    ("side", "rows", "columns"),  # how many centres reach each row and column
    [(3, [2, 3, 3, 3, 2], [2, 3, 3, 3, 3, 3, 2]), (4, [3, 4, 4, 3, 2], [3, 4, 4, 4, 4, 3, 2])],
)
def test_the_centre_of_a_cut_out_square_is_anywhere(side, rows, columns):
    cut_share = (cutout(np.ones((20_000, 5, 7, 1), np.uint8), side, rng()) == 0).mean(axis=0)[..., 0]
    np.testing.assert_allclose(cut_share, np.outer(rows, columns) / 35, atol=0.02)


def test_erased_rectangles_have_the_papers_sizes_and_are_anywhere():
    # but for a 256th of the pixels, which are 0 by chance
    is_erased = erase(np.zeros((4000, 30, 40, 1), np.uint8), 1.0, rng())[..., 0] > 0
    tall, wide = is_erased.any(axis=2).sum(axis=1), is_erased.any(axis=1).sum(axis=1)
    shares = tall * wide / (30 * 40)
    assert 0.015 < shares.min() < 0.03 and 0.3 < shares.max() < 0.35 and abs(shares.mean() - 0.175) < 0.01
    assert abs(np.log(tall / wide).mean()) < 0.05 and abs(np.log(tall / wide)).max() < np.log(3.3) + 0.3
    edges = [is_erased.any(axis=axis)[:, edge].mean() for axis in (1, 2) for edge in (0, -1)]
    assert abs(edges[0] - edges[1]) < 0.015 and abs(edges[2] - edges[3]) < 0.015
    chance = is_erased.mean(axis=0)
    for mirrored in (chance[::-1], chance[:, ::-1]):
        np.testing.assert_allclose(chance, mirrored, atol=0.04)


def test_cutout_blackens_at_most_one_square(images):
    out = cutout(images, 3, rng())
    assert ((out == images) | (out == 0)).all()
    counts = (out[..., 0] == 0).sum((1, 2))
    assert counts.max() == 9
    assert counts.min() >= 2


def test_erasing_touches_its_share_of_images_in_one_rectangle(images):
    assert (erase(images, 0.0, rng()) == images).all()
    changed = (erase(images, 0.5, rng()) != images).any(axis=3)
    assert 8 < changed.any((1, 2)).sum() < 32
    for mask in changed[changed.any((1, 2))]:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert box.mean() > 0.9  # noise may equal what it covers
        assert box.size < 0.5 * mask.size


def test_light_keeps_the_order_of_pixels(images):
    images = images[..., :1]
    out = jitter(images[..., :1], 0.2, 0.5, 0, 0, rng())
    assert (out != images).any()
    before, after = (pixels.reshape(40, -1).astype(int) for pixels in (images, out))
    order = before.argsort(axis=1)
    assert (np.diff(np.take_along_axis(after, order, axis=1), axis=1) >= 0).all()


def test_mixed_targets_are_the_shares_of_the_pixels():
    kinds = np.arange(64) % 4
    images = np.broadcast_to((60 * kinds[:, None, None, None]).astype(np.uint8), (64, 10, 12, 1))
    targets = np.eye(4, dtype=np.float32)[kinds]
    for way in (mixup, cutmix, ricap):
        out, shares = way(images, targets, 1.0, rng())
        assert (out.shape, out.dtype, shares.dtype) == (images.shape, np.uint8, np.float32)
        assert np.allclose(shares.sum(axis=1), 1, atol=1e-6)
        assert np.allclose(out.mean(axis=(1, 2, 3)), shares @ (60 * np.arange(4)), atol=0.51), way
        assert (shares.max(axis=1) < 1).any()


@settings(max_examples=60)
@given(
    images=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=4, max_dims=4, min_side=1, max_side=9)),
    options=st.sampled_from([{**keeping, **mixing} for keeping in KEEPING_LABELS for mixing in MIXING]),
    seed=st.integers(0, 999),
)
def test_images_of_any_shape_keep_it_and_targets_their_sum(images, options, seed):
    targets = np.eye(3, dtype=np.float32)[np.arange(len(images)) % 3]
    out = augment_images(images, Augment(**options), rng(seed))
    out, shares = mix_images(out, targets, Augment(**options), rng(seed))
    assert (out.shape, out.dtype) == (images.shape, np.uint8)
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("options", [*KEEPING_LABELS, *MIXING], ids=lambda options: next(iter(options)))
def test_augmentation_is_seeded_and_takes_items(images, options):
    items, targets = images.reshape(20, 2, 9, 7, 3), np.eye(20, dtype=np.float32)

    def changed(seed):
        draws = rng(seed)
        return mix_images(augment_images(items, Augment(**options), draws), targets, Augment(**options), draws)[0]

    assert changed(5).shape == items.shape
    assert (changed(5) == changed(5)).all()
    assert (changed(5) != changed(6)).any()
    assert (changed(5) != items).any()


def test_every_option_of_augmentation_is_tested():
    named = {name for options in (*KEEPING_LABELS, *MIXING) for name in options}
    assert named | {"alternating_flip"} == set(Augment.model_fields)


def test_the_items_of_a_mirrored_image_are_mirrored(images):
    items, mask = images.reshape(20, 2, 9, 7, 3), np.arange(20) < 3
    out = augment_images(items, Augment(alternating_flip=True), rng(), mask)
    assert (out[mask] == items[mask, :, :, ::-1]).all()
    assert (out[~mask] == items[~mask]).all()


def test_without_options_nothing_changes(images):
    targets = np.eye(40, dtype=np.float32)
    assert (augment_images(images, Augment(), rng()) == images).all()
    assert mix_images(images, targets, Augment(), rng())[1] is targets


def test_views_are_the_product_of_flips_and_shifts(images):
    assert views(False, 0) == [(False, 0)]
    assert len(views(True, 1)) == 6
    assert (view(images, True, 0) == images[:, :, ::-1]).all()
    moved = view(images, False, 1)
    assert (moved[:, 1:, 1:] == images[:, :-1, :-1]).all()
    assert not moved[:, 0].any()
    back = view(images, False, -1)
    assert (back[:, :-1, :-1] == images[:, 1:, 1:]).all()


@pytest.mark.parametrize("options", [{"mixup_alpha": 1.0}, {"cutmix_alpha": 1.0}, {"ricap_beta": 0.5}])
def test_the_items_of_an_image_are_mixed_each_by_itself(options):
    images = rng().integers(0, 256, (8, 3, 6, 7, 2)).astype(np.uint8)
    targets = np.eye(8, dtype=np.float32)
    all_items, shares = mix_images(images, targets, Augment(**options), np.random.default_rng(5))
    for item in range(3):
        alone, same_shares = mix_images(images[:, item], targets, Augment(**options), np.random.default_rng(5))
        np.testing.assert_array_equal(all_items[:, item], alone)
        np.testing.assert_array_equal(shares, same_shares)
