"""Ensembles, intervals and comparisons by the task's metric."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from features.ensembling import Greedy, fit_blends
from features.honesty import honest_ensemble
from features.labels.metrics.registry import METRICS, metric_of
from features.labels.uncertainty import gain_interval, paired_gain, score_with_interval
from submissions.rules.compare import comparison_line

AUC, KAPPA, ACCURACY = METRICS["roc_auc"], METRICS["quadratic_kappa"], METRICS["accuracy"]


def two_classes(strengths, rows=400, seed=0):
    """Return calibrated probabilities (members, rows, 2) of members that know a part of the truth, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows)
    scores = np.stack([rng.normal(strength * (labels - 0.5), 1) * max(strength, 0.1) for strength in strengths])
    present = 1 / (1 + np.exp(-scores))
    return np.stack([1 - present, present], axis=2).astype(np.float32), labels


@pytest.mark.parametrize("method", ["greedy", "convex"])
def test_weights_are_fitted_by_the_metric(method):
    members, labels = two_classes([1.5, 1.0, 0.5])
    members[1] = members[1] ** 6 / (members[1] ** 6).sum(
        axis=1, keepdims=True
    )  # far too certain, but the order is right
    areas = {}
    for name, loss in (("metric", lambda p, y: -roc_auc_score(y, p[:, 1])), ("log-loss", None)):
        blend = fit_blends(members, labels, [method], Greedy(), loss)[method]
        assert blend.weights.sum() == pytest.approx(1) and blend.weights.min() >= 0
        areas[name] = roc_auc_score(labels, blend(members)[:, 1])
    alone = max(roc_auc_score(labels, member[:, 1]) for member in members)
    assert areas["metric"] >= max(areas["log-loss"], alone)


@pytest.mark.parametrize("method", ["greedy", "auto"])
def test_the_honest_score_is_by_the_metric_and_does_not_rise_on_noise(method):
    members, labels = two_classes([0.0, 0.0, 0.0], rows=150)
    honest = honest_ensemble(members, labels, np.arange(150) % 3, method, Greedy(), AUC)
    assert AUC.best(honest.ensemble.of_rows(members, np.arange(150) % 3), labels) > AUC.best(
        honest.probabilities, labels
    )
    assert all(scores["low"] <= scores["score"] <= scores["high"] for scores in honest.scores.values())


def test_accuracy_and_log_loss_keep_the_weights_of_log_loss():
    members, labels = two_classes([1.5, 1.0, 0.5])
    weights = [
        honest_ensemble(members, labels, np.arange(400) % 4, "greedy", Greedy(), metric).ensemble.blend.weights.tolist()
        for metric in (ACCURACY, METRICS["log_loss"])
    ]
    assert weights[0] == weights[1]


def test_label_sets_are_judged_as_sets():
    rng = np.random.default_rng(0)
    labels = (rng.random((120, 4)) < 0.3).astype(np.uint8)
    members = np.stack([np.clip(labels * share + rng.random((120, 4)) * 0.5, 0, 1) for share in (0.0, 0.3)]).astype(
        np.float32
    )
    metric = metric_of("micro_f1", 4, label_sets=True)
    honest = honest_ensemble(members, labels, np.arange(120) % 3, "greedy", Greedy(), metric)
    predicted = metric.honest(honest.probabilities, labels, np.arange(120) % 3)
    assert honest.scores["greedy"]["score"] == metric.of(predicted, labels) > 0.6
    assert honest.ensemble.blend.weights[1] > 0.5


def test_the_interval_of_the_area_covers_the_truth_and_is_as_wide_as_hanley_and_mcneil_have_it():
    members, labels = two_classes([1.0], rows=600, seed=1)
    interval = score_with_interval(AUC, members[0], labels)
    area, positives = interval["score"], labels.sum()
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (positives - 1) * (q1 - area**2) + (600 - positives - 1) * (q2 - area**2)
    error = np.sqrt(spread / positives / (600 - positives))
    assert interval["high"] - interval["low"] == pytest.approx(2 * 1.96 * error, rel=0.2)
    assert interval["low"] < 0.76 < interval["high"]  # of two normal distributions at a distance of one deviation


def test_a_gain_is_positive_if_the_first_is_better_for_lower_losses_too():
    members, labels = two_classes([1.5, 0.5])
    for name in ("log_loss", "roc_auc"):
        interval = paired_gain(METRICS[name], members[0], members[1], labels, 0)
        assert 0 < interval["low"] < interval["gain"] < interval["high"]
    first, second = (member.argmax(axis=1) for member in members)
    assert paired_gain(ACCURACY, first, second, labels, 0) == gain_interval(first == labels, second == labels, 0)


def test_submissions_are_compared_by_a_paired_bootstrap():
    members, labels = two_classes([1.5, 0.5])
    line = comparison_line(AUC, members[0], members[1], labels)
    assert "roc_auc, higher is better; paired bootstrap p = 0.004, more than noise" in line and line.startswith("+0.")
    assert comparison_line(METRICS["log_loss"], members[0], members[1], labels).startswith("-0.")
    assert comparison_line(AUC, members[0], members[0], labels).endswith("p = 1, within noise")
    alike, labels_of_both = two_classes([1.5, 1.45], seed=1)
    assert comparison_line(AUC, alike[0], alike[1], labels_of_both).endswith("within noise")
    right = members.argmax(axis=2)
    assert "exact McNemar test" in comparison_line(ACCURACY, right[0], right[1], labels)


@pytest.mark.parametrize("name", ["macro_f1", "quadratic_kappa", "roc_auc", "map_at_k"])
def test_the_interval_of_a_perfect_score_has_a_width(name):
    labels = np.arange(40) % 2
    metric, probabilities = metric_of(name, 2, False), np.eye(2)[labels] * 0.8 + 0.1
    predictions = metric.decide(metric.fit(probabilities, labels), probabilities)
    result = score_with_interval(metric, predictions, labels)
    assert result == pytest.approx({"score": 1, "low": 40 / (40 + 1.96**2), "high": 1}, abs=1e-4)
    worst = score_with_interval(metric, predictions[::-1], labels)  # each row has the answer of the other class
    assert worst["low"] <= worst["score"] <= worst["high"]
