"""Resized crops, colours and TrivialAugment: against Pillow, by hand, and equal on NumPy and JAX."""

import jax
import numpy as np
import pytest
from jax import numpy as jnp
from PIL import Image, ImageEnhance, ImageOps

from features.augmentation.augment import Augment
from features.augmentation.colours import LUMA, jitter, recolour
from features.augmentation.crops import crop_windows, enlarge, resized_crop
from features.augmentation.trivial import CHANGES, WAYS, trivial_augment
from pipeline.training.augmentation_jax import augment_images as augment_on_device

COUNT = 6


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def photos():
    """Smooth pictures with all values, (6, 24, 32, 3)."""
    small = rng().integers(0, 256, (COUNT, 5, 6, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(image).resize((32, 24), Image.Resampling.BICUBIC)) for image in small])


def by_pillow(function, photos):
    return np.stack([np.asarray(function(Image.fromarray(image))) for image in photos]).astype(int)


def full(value):
    return np.full(COUNT, value, float)


def changed(images, name, strength):
    """Return the images after one change of TrivialAugment."""
    change = np.full(len(images), CHANGES.index(name))
    for _, way in WAYS:
        images = way(images, change, np.full(len(images), strength))
    return images.astype(int)


def test_a_window_has_its_share_of_the_area_and_its_shape():
    shares, tallness = np.array([0.25, 0.25, 1.0]), np.array([0.0, 1.0, 0.0])
    places = np.array([[1.0, 0.0], [0.5, 0.5], [0.3, 0.9]])
    corners, sides = crop_windows(shares, tallness, places, (40, 80))
    assert sides[0].tolist() == [20, 40] and corners[0].tolist() == [20, 0]
    assert (sides[1, 0] / 40) / (sides[1, 1] / 80) == pytest.approx(4 / 3)
    assert sides[1].prod() == pytest.approx(0.25 * 40 * 80)
    assert sides[2].tolist() == [40, 80] and corners[2].tolist() == [0, 0]


def test_random_windows_lie_in_the_image_and_keep_what_they_must():
    draws = rng()
    corners, sides = crop_windows(
        draws.uniform(0.3, 1, 2000), draws.uniform(-1, 1, 2000), draws.random((2000, 2)), (30, 50)
    )
    assert corners.min() >= 0 and (corners + sides <= np.array([30, 50]) + 1e-9).all()
    areas, shapes = sides.prod(axis=1) / 1500, sides[:, 0] / sides[:, 1] * 50 / 30
    assert 0.29 < areas.min() < 0.32 and areas.max() > 0.95
    assert 3 / 4 - 1e-9 <= shapes.min() < 0.8 and 1.25 < shapes.max() <= 4 / 3 + 1e-9


def test_a_window_is_enlarged_as_by_pillow(photos):
    corners, sides = rng().uniform(0, 10, (COUNT, 2)), rng(1).uniform(8, 14, (COUNT, 2))
    out = enlarge(photos, corners, sides).astype(int)
    for image, mine, (top, left), (height, width) in zip(photos, out, corners, sides, strict=True):
        box = (left, top, left + width, top + height)
        theirs = Image.fromarray(image).resize((32, 24), Image.Resampling.BILINEAR, box=box)
        assert np.abs(mine - np.asarray(theirs)).max() <= 1
    assert (enlarge(photos, np.zeros((COUNT, 2)), np.tile([24.0, 32.0], (COUNT, 1))) == photos).all()


def test_colours_without_strength_are_those_of_the_image(photos):
    assert (recolour(photos, full(0), full(1), full(1), full(0)) == photos).all()
    assert (recolour(photos, full(0), full(1), full(1), full(1)) == photos).all(), "a whole turn"
    assert (jitter(photos, 0, 0, 0, 0, rng()) == photos).all()


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.7])
def test_saturation_contrast_and_brightness_are_pillow_s(photos, factor):
    saturated = recolour(photos, full(0), full(1), full(factor), full(0))
    assert np.abs(saturated - by_pillow(lambda i: ImageEnhance.Color(i).enhance(factor), photos)).max() <= 2
    contrasted = recolour(photos, full(0), full(factor), full(1), full(0))
    assert np.abs(contrasted - by_pillow(lambda i: ImageEnhance.Contrast(i).enhance(factor), photos)).max() <= 2
    brighter = recolour(photos, full(10), full(1), full(1), full(0)).astype(int)
    assert (brighter == np.minimum(photos.astype(int) + 10, 255)).all()


def test_a_turned_hue_keeps_grey_pixels_and_brightness():
    grey = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None, None], (COUNT, 256, 1, 3))
    hues = np.linspace(-0.5, 0.5, COUNT)
    assert (recolour(grey, full(0), full(1), full(1), hues) == grey).all()
    pale = rng().integers(100, 150, (COUNT, 9, 9, 3), dtype=np.uint8)  # colours that nothing clips
    turned = recolour(pale, full(0), full(1), full(1), hues)
    assert np.abs(turned @ LUMA - pale @ LUMA).max() < 1
    assert np.abs(turned[2].astype(int) - pale[2]).max() > 3
    back = recolour(turned, full(0), full(1), full(1), -hues).astype(int)
    assert np.abs(back - pale).max() <= 2
    red = np.broadcast_to(np.uint8([140, 100, 100]), (COUNT, 2, 2, 3))
    third = recolour(red, full(0), full(1), full(1), full(1 / 3))[0, 0, 0]
    assert third.argmax() != 0, "red becomes another colour"


def test_jitter_stays_within_its_strengths():
    white = np.full((500, 1, 1, 1), 100, np.uint8)
    brighter = jitter(white, 0.2, 0, 0, 0, rng())
    assert 49 <= brighter.min() < 55 and 145 < brighter.max() <= 151
    two = np.broadcast_to(np.uint8([80, 120])[:, None], (500, 1, 2, 1))
    spread = np.ptp(jitter(two, 0, 0.5, 0, 0, rng()).astype(int), axis=2)
    assert 20 <= spread.min() < 22 and 58 < spread.max() <= 60


@pytest.mark.parametrize(
    ("name", "strength", "function"),
    [
        ("posterise", 1.0, lambda image: ImageOps.posterize(image, 2)),
        ("posterise", 0.5, lambda image: ImageOps.posterize(image, 5)),
        ("solarise", 0.5, lambda image: ImageOps.solarize(image, 128)),
        ("autocontrast", 0.3, ImageOps.autocontrast),
        ("equalise", 0.3, ImageOps.equalize),
        ("brightness", 0.8, lambda image: ImageEnhance.Brightness(image).enhance(1 + 0.99 * 0.8)),
        ("brightness", -0.8, lambda image: ImageEnhance.Brightness(image).enhance(1 - 0.99 * 0.8)),
        ("contrast", -0.5, lambda image: ImageEnhance.Contrast(image).enhance(1 - 0.99 * 0.5)),
        ("saturation", -0.5, lambda image: ImageEnhance.Color(image).enhance(1 - 0.99 * 0.5)),
        ("sharpness", 0.9, lambda image: ImageEnhance.Sharpness(image).enhance(1 + 0.99 * 0.9)),
        ("sharpness", -0.9, lambda image: ImageEnhance.Sharpness(image).enhance(1 - 0.99 * 0.9)),
        ("rotate", -90 / 135, lambda image: image),
    ],
)
def test_a_change_of_trivial_augment_is_pillow_s(photos, name, strength, function):
    if name == "rotate":  # a quarter turn of a square image
        square = photos[:, :, :24]
        assert (changed(square, name, strength) == np.rot90(square, k=-1, axes=(1, 2))).all()
        return
    photos = photos // 2 + 30  # which autocontrast stretches
    assert np.abs(changed(photos, name, strength) - by_pillow(function, photos)).max() <= 2


def test_a_translation_moves_by_a_seventh_of_the_side_at_most():
    photos = rng().integers(1, 256, (3, 14, 21, 3), dtype=np.uint8)
    right, down = changed(photos, "translate_x", 1.0), changed(photos, "translate_y", -1.0)
    assert (right[:, :, :-3] == photos[:, :, 3:]).all() and not right[:, :, -3:].any()
    assert (down[:, 2:] == photos[:, :-2]).all() and not down[:, :2].any()


@pytest.mark.parametrize("name", [name for name in CHANGES if name not in ("autocontrast", "equalise")])
def test_a_change_without_strength_changes_nothing(photos, name):
    assert (changed(photos, name, 0.0) == photos).all()


def test_trivial_augment_draws_each_change_equally_often(monkeypatch):
    drawn = []
    ways = [
        (names, lambda images, change, strength: (drawn.extend(zip(change, strength, strict=True)), images)[1])
        for names, _ in WAYS
    ]
    monkeypatch.setattr("features.augmentation.trivial.WAYS", ways)
    trivial_augment(np.zeros((14_000, 1, 1, 1), np.uint8), rng())
    counts = np.bincount([change for change, _ in drawn], minlength=len(CHANGES))
    assert counts[CHANGES.index("identity")] == 0
    assert (np.abs(counts[1:] - 1000) < 150).all()
    strengths = np.array([strength for _, strength in drawn])
    assert -1 <= strengths.min() < -0.99 and 0.99 < strengths.max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_numpy_and_jax_do_the_same(photos, channels):
    photos = photos[..., :channels]
    draws = rng().uniform(-1, 1, (5, COUNT)).astype(np.float32)

    def everywhere(function, *arguments):
        ours = function(photos, *arguments)
        theirs = np.asarray(jax.jit(function)(jnp.asarray(photos), *map(jnp.asarray, arguments)))
        assert ours.dtype == theirs.dtype == np.uint8
        difference = np.abs(ours.astype(int) - theirs)
        assert difference.max() <= 1 and (difference > 0).mean() < 1e-3, function
        assert (ours != photos).any()

    windows = crop_windows(0.5 + draws[0] / 4, draws[1], (1 + draws[2:4].T) / 2, photos.shape[1:3])
    on_device = crop_windows(
        *map(jnp.asarray, (0.5 + draws[0] / 4, draws[1], (1 + draws[2:4].T) / 2)), photos.shape[1:3]
    )
    for mine, other in zip(windows, on_device, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)
    everywhere(enlarge, *windows)
    everywhere(recolour, 20 * draws[0], 1 + draws[1] / 2, 1 + draws[2] / 2, draws[3] / 2)
    for names, way in WAYS:
        changes = np.resize([CHANGES.index(name) for name in names if channels == 3 or name != "saturation"], COUNT)
        everywhere(way, changes, draws[4])


@pytest.mark.slow
def test_a_program_for_the_device_changes_photos_as_the_options_say(photos):
    def augmented(seed=0, **options):
        key, mirrored = jax.random.key(seed), np.zeros(COUNT, bool)
        return np.asarray(augment_on_device(jnp.asarray(photos), Augment(**options), key, mirrored))

    for options in ({"area_crop_share": 0.6, "hue_share": 0.3}, {"trivial_augment": True}):
        first = augmented(**options)
        assert (first != photos).any(axis=(1, 2, 3)).sum() >= COUNT // 2
        assert (first == augmented(**options)).all()
        assert (first != augmented(seed=1, **options)).any()


def test_a_resized_crop_of_a_white_image_is_white():
    assert (resized_crop(np.full((50, 17, 13, 3), 255, np.uint8), 0.9, rng()) == 255).all()
