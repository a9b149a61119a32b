"""Thresholds of labels, calculated by hand."""

import numpy as np
import pytest

from features.labels.thresholds import fit_thresholds


@pytest.mark.parametrize(
    ("probabilities", "labels", "threshold"),
    [
        ([0.9, 0.8, 0.4], [1, 1, 1], 0.2),  # half-way between the lowest and 0
        ([0.9, 0.8, 0.3], [1, 1, 0], 0.55),
        ([0.3, 0.9, 0.8], [0, 1, 1], 0.55),
        ([0.9, 0.6, 0.3], [1, 0, 0], 0.75),
        ([0.8, 0.8, 0.2], [1, 0, 0], 0.5),  # equal probabilities are chosen together
        ([0.8, 0.4, 0.2], [0, 0, 0], 0.9),
    ],
)
def test_the_threshold_of_a_label(probabilities, labels, threshold):
    cuts = fit_thresholds(np.array(probabilities)[:, None], np.array(labels)[:, None])
    assert cuts.tolist() == pytest.approx([threshold])
