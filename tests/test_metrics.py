import numpy as np
import pytest

from features.labels.metrics import accuracy, log_loss, report


def test_log_loss_and_accuracy_of_known_rows():
    probabilities = np.array([[0.5, 0.5], [0.25, 0.75]])
    assert log_loss(probabilities, np.array([0, 0])) == pytest.approx((np.log(2) + np.log(4)) / 2)
    assert accuracy(probabilities, np.array([0, 0])) == 0.5
    assert np.isfinite(log_loss(np.array([[1.0, 0.0]]), np.array([1])))


def test_report_of_known_rows():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.3, 0.7, 0.0], [0.2, 0.2, 0.6]])
    found = report(probabilities, np.array([0, 1, 1, 2]))
    assert found["accuracy"] == 0.75
    assert found["precision"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert found["recall"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert found["f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert found["roc_auc"] == pytest.approx((1 + 0.875 + 1) / 3)


def test_a_class_without_rows_has_no_area_but_all_else():
    found = report(np.array([[0.6, 0.4, 0.0], [0.2, 0.8, 0.0]]), np.array([0, 1]))
    assert found["roc_auc"] is None
    assert found["accuracy"] == 1.0 and found["recall"] == pytest.approx(2 / 3)
