"""The rows of an epoch in which generated or test images take a share."""

import numpy as np

from features.augmentation.augment import Augment
from pipeline.training.batches import TrainingBatches
from pipeline.training.joined_images import Extra, JoinedImages, exchange_rows


def test_an_epoch_keeps_its_length_and_takes_its_share():
    rows, extra = np.arange(100, 180), Extra(np.zeros((10, 1)), np.zeros((10, 3)), np.arange(10), share=0.3)
    exchanges = [exchange_rows(rows, 1000, [extra], (0, 1, epoch)) for epoch in (0, 0, 1)]
    assert (exchanges[0] == exchanges[1]).all()
    assert (exchanges[0] != exchanges[2]).any()
    real = exchanges[0][exchanges[0] < 1000]
    assert len(exchanges[0]) == 80
    assert len(real) == len(set(real.tolist()) & set(rows.tolist())) == 56
    assert np.ptp(np.bincount(exchanges[0][exchanges[0] >= 1000] - 1000, minlength=10)) <= 1


def test_images_that_enlarge_an_epoch_leave_all_real_ones_in_it():
    extra = Extra(np.zeros((10, 1)), np.zeros((10, 3)), np.arange(10), share=0.2, enlarges=True)
    rows = exchange_rows(np.arange(100, 180), 1000, [extra], (0, 1, 0))
    assert sorted(rows[rows < 1000]) == list(range(100, 180))
    assert (rows >= 1000).sum() == 20 == 0.2 * len(rows)
    batches = TrainingBatches(
        JoinedImages(np.zeros((1000, 4, 4, 1), np.uint8), np.ones((10, 4, 4, 1), np.uint8)),
        np.zeros((1010, 3), np.float32),
        np.arange(100, 180),
        25,
        Augment(),
        (0, 1),
        [extra],
    )
    assert len(batches) == 4 and sum(batches[index][0].max(axis=(1, 2, 3)).sum() for index in range(4)) == 20


def test_an_epoch_takes_its_share_of_each_extra():
    kinds = [Extra(np.arange(n), np.zeros((n, 1)), np.array(usable), 0.25) for n, usable in ((5, [0, 4]), (7, [3]))]
    exchanges = exchange_rows(np.arange(40), 100, kinds, (0, 0, 0))
    assert np.unique(exchanges[exchanges >= 100], return_counts=True)[1].tolist() == [5, 5, 10]
    everything = JoinedImages(JoinedImages(np.arange(1000, 1100), kinds[0].images), kinds[1].images)
    assert len(everything) == 112
    assert everything[np.array([1, 99, 100, 104, 104, 105, 108])].tolist() == [1001, 1099, 0, 4, 4, 0, 3]
    assert set(exchanges[exchanges >= 100].tolist()) == {100, 104, 108}
