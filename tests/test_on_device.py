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
from tests.projects import environment

NOT_MIRRORED = np.zeros(400, bool)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(1, 255, (400, 9, 7, 2), dtype=np.uint8)


def augmented(images, seed=0, mirrored=NOT_MIRRORED, **options):
    return np.asarray(augment_on_device.augmented(images, Augment(**options), jax.random.key(seed), mirrored))


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
        found = []
        for before, after in zip(images, out, strict=True):
            padded = np.pad(before, ((2, 2), (2, 2), (0, 0)))
            found += [(y, x) for y in range(5) for x in range(5) if (padded[y : y + 9, x : x + 7] == after).all()]
        return found

    found = offsets(augmented(images, shift_pixels=2))
    assert len(found) == len(images)
    assert set(found) == set(offsets(shift(images, 2, np.random.default_rng(0))))
    assert np.bincount([5 * y + x for y, x in found]).max() < 40  # 16 on average


def test_items_of_one_image_move_by_themselves(images):
    out = augmented(np.repeat(images[:100, None], 4, axis=1), shift_pixels=1)
    assert (out[:, 0] != out[:, 1]).any(axis=(1, 2, 3)).mean() > 0.7


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


def mixing(images, **options):
    """Return what mixes, by a seed, images that have a class each, so that targets tell which others are in them."""
    placed = jax.device_put((images, np.eye(len(images), dtype=np.float32)))
    program = jax.jit(lambda key: augment_on_device.mixed(*placed, Augment(**options), key))

    def mixed(seed):
        out, shares = map(np.asarray, program(jax.random.key(seed)))
        assert out.dtype == np.uint8
        assert np.allclose(shares.sum(1), 1)
        return out, shares

    return mixed


def test_nothing_is_mixed_by_itself(images):
    out, shares = mixing(images)(0)
    assert (out == images).all()
    assert (shares == np.eye(len(images))).all()


def test_mixup_blends_images_and_all_their_items_in_the_shares_of_the_targets(images):
    items = images.reshape(200, 2, 9, 7, 2)
    out, shares = mixing(items, mixup_alpha=1.0)(0)
    assert np.abs(np.einsum("ij,jtyxc->ityxc", shares, items) - out).max() < 0.51
    own = np.diag(shares)
    assert own.mean() == pytest.approx(0.5, abs=0.1)
    assert own.std() == pytest.approx(12**-0.5, abs=0.05), "Beta(1, 1) is uniform"


def test_cutmix_takes_one_rectangle_from_others_and_its_share_of_their_targets(images):
    mixed, each, areas = mixing(images, cutmix_alpha=1.0), np.arange(len(images)), []
    for seed in range(40):
        out, shares = mixed(seed)
        own = np.diag(shares)
        others = np.where(own == 1, each, (shares - np.diag(own)).argmax(1))  # of a permutation, which may stay
        foreign = (out != images).any(axis=(0, 3))
        assert (out == np.where(foreign[..., None], images[others], images)).all()
        assert own[others != each] == pytest.approx(1 - foreign.mean(), abs=1e-6)
        if foreign.any():
            assert foreign.sum() == np.prod(np.ptp(np.argwhere(foreign), axis=0) + 1)
        areas.append(foreign.mean())
    assert 0.2 < np.mean(areas) < 0.5, "half of an image, less what lies outside"


def test_where_both_are_on_each_batch_is_mixed_by_one_of_them(images):
    mixed = mixing(images, mixup_alpha=1.0, cutmix_alpha=1.0)
    by_mixup = [len(np.unique(mixed(seed)[1].diagonal())) > 2 for seed in range(20)]
    assert 4 < sum(by_mixup) < 16


def test_what_is_not_done_there_is_left_to_the_host(images, monkeypatch):
    assert not on_device.supports_data(images, Augment()), "a CPU is slower at it"
    monkeypatch.setattr(on_device, "image_limit_bytes", lambda: images.nbytes)
    assert on_device.supports_data(images, Augment(flip=True, shift_pixels=1, erase_probability=0.5))
    assert not on_device.supports_data(images, Augment(rotation_degrees=5))
    assert on_device.supports_data(images, Augment(mixup_alpha=0.2, cutmix_alpha=1.0))
    assert not on_device.supports_data(images, Augment(flip=True, ricap_beta=0.3))
    assert not on_device.supports_data(JoinedImages(images, images), Augment())
    assert not on_device.supports_data(np.concatenate([images, images]), Augment())


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    # Without the folder of programs that this process may have set, as it imports the backend for other tests.
    inherited = {name: value for name, value in environment().items() if not name.startswith("JAX_")}
    variables = {**inherited, "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-m", "tests.folds_on_jax"]
    folder = tmp_path_factory.mktemp("jax")
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list((folder / ".compiled").iterdir()), "nothing was kept for the next fold"
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(("way", "on_device"), [("on_device", True), ("by_python", False)])
def test_a_fold_on_jax_learns_and_goes_on_after_a_kill_as_if_nothing_had_happened(folds, way, on_device):
    found = folds[way]
    assert found["on the device"] == on_device
    assert found["losses"][-1] < found["losses"][0]
    assert found["same history"]
    assert found["same weights"]
