"""Adversarial validation, on images of one source and of two."""

import numpy as np
import pytest
from scipy.stats import norm

from features.images.shift import describe, separation
from pipeline.reporting.adversarial import adversarial
from tests.projects import member, to_folds, write_blobs


def features(rows, brightness=0, seed=0):
    images = np.random.default_rng(seed).integers(0, 200, (rows, 12, 10, 1)) + brightness
    return describe([images[:5].astype(np.uint8), images[5:].astype(np.uint8)])


def test_images_of_one_source_cannot_be_told_apart():
    result = separation(features(120), features(60, seed=1), np.arange(120))
    assert result.is_by_chance and result.high < 0.75


def test_images_of_another_brightness_can():
    train = np.concatenate([features(90), features(10, 20, seed=3)])
    result = separation(train, features(100, 20, seed=1), np.arange(100))
    assert result.low > 0.85 and not result.is_by_chance
    assert set(np.argsort(-result.test_likeness)[:5]) <= set(range(90, 100)), "the training images that are as bright"


def test_copies_of_a_training_image_are_no_evidence():
    train = np.repeat(features(20), 10, axis=0)
    assert separation(train, features(200, seed=1), np.arange(200) // 10 * 10).low < 0.6


def test_the_interval_is_that_of_the_formula_by_hand():
    """For the smallest and the largest area the formula gives zero; for 0.5 it is that of the Mann-Whitney test."""
    from features.images import shift

    assert shift._standard_error(1.0, 10, 20) == 0
    mann_whitney = np.sqrt((10 + 20 + 1) / (12 * 10 * 20))
    assert shift._standard_error(0.5, 10, 20) == pytest.approx(mann_whitney, rel=1e-9)
    assert pytest.approx(norm.ppf(0.975), abs=1e-6) == shift.Z


def test_the_command_says_it_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_blobs(tmp_path / "raw", rows=90, test_rows=60)
    params = to_folds({"m": member("blobs")})
    assert "ROC AUC 0." in adversarial(params, "blobs") and "cannot tell" in adversarial(params, "blobs")
