"""Epochs made on the device: what happens to images there, and folds on the JAX backend, in a process of their own."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest

from features.augmentation.augment import Augment
from features.augmentation.erasing import LEAST_SHARE, MOST_SHARE
from features.augmentation.warps import shift
from pipeline.training import augmentation_jax as augment_on_device
from pipeline.training import epoch_jax as on_device
from pipeline.training.joined_images import JoinedImages
from tests.projects import jax_environment

NOT_MIRRORED = np.zeros(400, bool)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(1, 255, (400, 9, 7, 2), dtype=np.uint8)


def augmented(images, seed=0, mirrored=NOT_MIRRORED, **options):
    return np.asarray(augment_on_device.augment_images(images, Augment(**options), jax.random.key(seed), mirrored))


@pytest.mark.slow
def test_nothing_changes_by_itself_and_a_key_draws_the_same_again(images):
    everything = {"flip": True, "vertical_flip": True, "shift_pixels": 2, "erase_probability": 0.5}
    assert (augmented(images) == images).all()
    first = augmented(images, **everything)
    assert first.dtype == np.uint8
    assert (first == augmented(images, **everything)).all()
    assert (first != augmented(images, seed=1, **everything)).any()


@pytest.mark.parametrize(("option", "axis"), [("flip", 2), ("vertical_flip", 1)])
def test_half_of_the_images_are_flipped(images, option, axis):
    out = augmented(images, **{option: True})
    flipped = (out == np.flip(images, axis)).all(axis=(1, 2, 3))
    assert (flipped | (out == images).all(axis=(1, 2, 3))).all()
    assert 140 < flipped.sum() < 260


def test_an_alternating_flip_mirrors_whom_it_is_told_with_all_its_items(images):
    mask = np.arange(200) % 3 == 0
    out = augmented(images.reshape(200, 2, 9, 7, 2), mirrored=mask, alternating_flip=True)
    assert (out[mask] == images.reshape(200, 2, 9, 7, 2)[mask][:, :, :, ::-1]).all()
    assert (out[~mask] == images.reshape(200, 2, 9, 7, 2)[~mask]).all()


def test_shifts_are_those_of_the_host(images):
    def offsets(out):
        corners = []
        for before, after in zip(images, out, strict=True):
            padded = np.pad(before, ((2, 2), (2, 2), (0, 0)))
            corners += [(y, x) for y in range(5) for x in range(5) if (padded[y : y + 9, x : x + 7] == after).all()]
        return corners

    on_device_offsets = offsets(augmented(images, shift_pixels=2))
    assert len(on_device_offsets) == len(images)
    assert set(on_device_offsets) == set(offsets(shift(images, (2, 2), np.random.default_rng(0))))
    assert np.bincount([5 * y + x for y, x in on_device_offsets]).max() < 40  # 16 on average


def test_items_of_one_image_move_by_themselves(images):
    out = augmented(np.repeat(images[:100, None], 4, axis=1), shift_pixels=1)
    assert (out[:, 0] != out[:, 1]).any(axis=(1, 2, 3)).mean() > 0.7


@pytest.mark.slow
def test_erasing_paints_a_rectangle_of_noise_on_its_share_of_images():
    blank = np.zeros((2000, 20, 20, 1), np.uint8)
    changed = augmented(blank, mirrored=np.zeros(2000, bool), erase_probability=0.3)[..., 0] > 0
    erased = changed.any(axis=(1, 2))
    assert 0.25 < erased.mean() < 0.35
    boxes = [np.ptp(np.argwhere(mask), axis=0) + 1 for mask in changed[erased]]
    areas = np.array([np.prod(box) for box in boxes]) / 400
    assert areas.min() >= 0.7 * LEAST_SHARE
    assert areas.max() <= 1.2 * MOST_SHARE
    assert areas.mean() == pytest.approx((LEAST_SHARE + MOST_SHARE) / 2, rel=0.1)
    filled = changed[erased].sum(axis=(1, 2)) / np.array([np.prod(box) for box in boxes])
    assert filled.mean() > 0.98  # noise is zero here and there


def test_nothing_is_mixed_by_itself(images):
    targets = np.eye(len(images))
    assert augment_on_device.mix_images(images, targets, Augment(), jax.random.key(0)) == (images, targets)


@pytest.fixture(scope="module")
def mixed_batches():
    """Images with two items each, and 60 batches of them: mixed images, and the share of each image in them.

    Each image has a class of its own, so the targets are these shares. Half of the batches are by mixup.
    """
    items = np.random.default_rng(0).integers(1, 255, (200, 2, 9, 7, 2), dtype=np.uint8)
    on_device, options = jax.device_put((items, np.eye(200, dtype=np.float32))), Augment(mixup_alpha=1, cutmix_alpha=1)
    program = jax.jit(lambda key: augment_on_device.mix_images(*on_device, options, key))
    return items, [tuple(map(np.asarray, program(jax.random.key(seed)))) for seed in range(60)]


def is_by_mixup(shares):
    return len(np.unique(shares.diagonal())) > 2  # CutMix takes the same share of all images, but of those that stay


@pytest.mark.slow
def test_each_batch_is_mixed_by_one_of_the_ways_that_are_on(mixed_batches):
    _, batches = mixed_batches
    assert 15 < sum(is_by_mixup(shares) for _, shares in batches) < 45
    for images, shares in batches:
        assert images.dtype == np.uint8
        assert np.allclose(shares.sum(1), 1)


@pytest.mark.slow
def test_mixup_blends_images_and_all_their_items_in_the_shares_of_the_targets(mixed_batches):
    items, batches = mixed_batches
    images, shares = next(batch for batch in batches if is_by_mixup(batch[1]))
    assert np.abs(np.einsum("ij,jtyxc->ityxc", shares, items) - images).max() < 0.51
    own = np.diag(shares)
    assert own.mean() == pytest.approx(0.5, abs=0.1)
    assert own.std() == pytest.approx(12**-0.5, abs=0.05), "Beta(1, 1) is uniform"


@pytest.mark.slow
def test_cutmix_takes_one_rectangle_from_others_and_its_share_of_their_targets(mixed_batches):
    (items, batches), rows, areas = mixed_batches, np.arange(200), []
    for images, shares in (batch for batch in batches if not is_by_mixup(batch[1])):
        own = np.diag(shares)
        others = np.where(own == 1, rows, (shares - np.diag(own)).argmax(1))  # of a permutation, which may stay
        foreign = (images != items).any(axis=(0, 1, 4))
        assert (images == np.where(foreign[..., None], items[others], items)).all()
        assert own[others != rows] == pytest.approx(1 - foreign.mean(), abs=1e-6)
        if foreign.any():
            assert foreign.sum() == np.prod(np.ptp(np.argwhere(foreign), axis=0) + 1)
        areas.append(foreign.mean())
    assert 0.2 < np.mean(areas) < 0.5, "half of an image, less what lies outside"


def test_what_is_not_done_there_is_left_to_the_host(images, monkeypatch):
    assert not on_device.supports_data(images, Augment()), "a CPU is slower at it"
    monkeypatch.setattr(on_device, "image_limit_bytes", lambda: images.nbytes)
    assert on_device.supports_data(images, Augment(flip=True, shift_pixels=1, erase_probability=0.5))
    assert not on_device.supports_data(images, Augment(rotation_degrees=5))
    assert on_device.supports_data(images, Augment(mixup_alpha=0.2, cutmix_alpha=1.0))
    assert not on_device.supports_data(images, Augment(flip=True, ricap_beta=0.3))
    assert not on_device.supports_data(JoinedImages(images, images), Augment())
    assert not on_device.supports_data(np.concatenate([images, images]), Augment())


def train_on_jax(folder, way):
    """Return the results of `tests.folds_on_jax` in an empty folder."""
    command = [sys.executable, "-m", "tests.folds_on_jax", way]
    process = subprocess.run(command, cwd=folder, env=jax_environment(), capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert list((folder / ".compiled").iterdir()), "nothing was kept for the next fold"
    return json.loads(process.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "way", [pytest.param("on_device", marks=pytest.mark.slow), pytest.param("by_python", marks=pytest.mark.nightly)]
)
def test_a_fold_on_jax_learns_and_goes_on_after_a_kill_as_if_nothing_had_happened(tmp_path, way):
    fold = train_on_jax(tmp_path, way)
    assert fold["on the device"] == (way == "on_device")
    assert fold["losses"][-1] < fold["losses"][0]
    assert fold["same history"]
    assert fold["same weights"]
    assert fold["tracked"] == [[epoch, pytest.approx(loss)] for epoch, loss in enumerate(fold["losses"], 1)]
