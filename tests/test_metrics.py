"""Each metric against an implementation written by hand, on random cases with absent classes, ties and constants."""

import warnings
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from sklearn import metrics as reference

from features.labels.metrics.decisions import RULES, Decision
from features.labels.metrics.metric import Metric
from features.labels.metrics.registry import ACCURACY, METRICS, metric_of
from features.labels.positive import positive_classes
from pipeline.config.metric import Metric as Entry
from tests.metrics_by_hand import BY_HAND, area, predictions

KAPPA = METRICS["quadratic_kappa"]
CASES = 1000


@pytest.mark.parametrize(("name", "kind"), BY_HAND)
@pytest.mark.parametrize("cases", [60, pytest.param(CASES, marks=pytest.mark.nightly)])
def test_a_metric_is_what_it_is_by_hand(name, kind, cases):
    metric, rng = METRICS[name], np.random.default_rng(0)
    for _ in range(cases):
        predicted, labels = predictions(metric, kind, rng)
        assert metric.of(predicted, labels) == pytest.approx(BY_HAND[name, kind](predicted, labels), abs=1e-9)


def test_every_metric_is_tested_for_all_kinds_of_labels_that_it_fits():
    assert set(BY_HAND) == {(name, kind) for name, metric in METRICS.items() for kind in metric.kinds}
    assert all(metric.name == name and metric.judges in JUDGED for name, metric in METRICS.items())


JUDGED = get_args(Metric.__annotations__["judges"]) or ("probabilities", "decisions", "rankings")


@pytest.mark.parametrize("name", METRICS)
def test_a_right_answer_is_better_than_a_random_one(name):
    metric, rng = METRICS[name], np.random.default_rng(0)
    kind = next(iter(metric.kinds))
    labels = rng.integers(0, 2 if kind == "binary" else 4, 200)
    if kind == "sets":
        labels = (rng.random((200, 4)) < 0.4).astype(np.uint8)
    metric = metric_of(name, 2 if kind == "binary" else 4, kind == "sets", (1,) if kind == "binary" else (), k=2)
    true = labels if labels.ndim == 2 else np.eye(2 if kind == "binary" else 4)[labels]
    sure, unsure = true * 0.8 + 0.05, rng.dirichlet(np.ones(true.shape[1]), 200)
    assert metric.gain(metric.best(sure, labels), metric.best(unsure, labels)) > 0.1
    honest = metric.honest(unsure, labels, np.arange(200) % 4)
    assert metric.gain(metric.best(unsure, labels), metric.of(honest, labels)) > -0.02


def test_scikit_learn_agrees_where_it_has_the_metric():
    rng = np.random.default_rng(1)
    probabilities, labels = rng.dirichlet(np.ones(6), 300), rng.integers(0, 6, 300)
    predicted, rankings = probabilities.argmax(axis=1), Decision("ranked", (3,))(probabilities)
    expected = {
        "balanced_accuracy": reference.balanced_accuracy_score(labels, predicted),
        "quadratic_kappa": reference.cohen_kappa_score(labels, predicted, weights="quadratic"),
        "top_k_accuracy": reference.top_k_accuracy_score(labels, probabilities, k=3),
        "log_loss": reference.log_loss(labels, probabilities),
        "roc_auc": reference.roc_auc_score(labels, probabilities, multi_class="ovr"),
    }
    judged = {"probabilities": probabilities, "decisions": predicted, "rankings": rankings}
    for name, value in expected.items():
        assert METRICS[name].of(judged[METRICS[name].judges], labels) == pytest.approx(value)


@pytest.mark.parametrize("name", METRICS)
def test_no_warning_of_a_library_reaches_the_user(name):
    rng = np.random.default_rng(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in METRICS[name].kinds:
            for _ in range(20):
                METRICS[name].of(*predictions(METRICS[name], kind, rng))


def test_the_positive_classes_are_judged_together():
    rng = np.random.default_rng(3)
    probabilities, labels = rng.dirichlet(np.ones(4), 200), rng.integers(0, 4, 200)
    metric = metric_of("roc_auc", 4, False, positive=(1, 2, 3))
    view = metric.decide(metric.fit(probabilities, labels), probabilities)
    assert view[:, 1] == pytest.approx(1 - probabilities[:, 0])
    assert metric.of(view, labels) == pytest.approx(area(1 - probabilities[:, 0], labels != 0))


def test_log_loss_clips_and_scales_as_kaggle_does():
    metric = METRICS["log_loss"]
    assert metric.of(np.array([[0.0, 1.0]]), np.array([0])) == pytest.approx(-np.log(1e-15))
    assert metric.of(np.array([[2.0, 6.0]]), np.array([1])) == pytest.approx(-np.log(0.75))
    assert metric.of(np.zeros((1, 2)), np.array([1])) == pytest.approx(-np.log(1e-15))


def test_cut_points_have_the_best_kappa_of_all():
    rng = np.random.default_rng(4)
    for _ in range(5):
        labels = np.arange(12) % 3
        probabilities = rng.dirichlet(np.ones(3), 12) * 0.5 + np.eye(3)[labels] * 0.5
        values = np.sort(probabilities @ np.arange(3))
        cuts = [-1, *((values[1:] + values[:-1]) / 2), 3]
        best = max(
            KAPPA.of(np.searchsorted([low, high], probabilities @ np.arange(3), side="right"), labels)
            for low in cuts
            for high in cuts
            if low <= high
        )
        decided = KAPPA.decide(KAPPA.fit(probabilities, labels), probabilities)
        assert KAPPA.of(decided, labels) == pytest.approx(best)


def test_cut_points_correct_a_shifted_model():
    rng = np.random.default_rng(5)
    labels = rng.choice(5, 2000, p=[0.5, 0.1, 0.25, 0.05, 0.1])
    centres = np.clip(labels * 0.6 + 0.4 + rng.normal(0, 0.3, 2000), 0, 4)
    probabilities = np.exp(-((centres[:, None] - np.arange(5)) ** 2))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    plain = KAPPA.of(probabilities.argmax(axis=1), labels)
    honest = KAPPA.of(KAPPA.honest(probabilities, labels, np.arange(2000) % 5), labels)
    assert honest > plain + 0.1


def test_rare_classes_count_as_much_as_others_for_balanced_accuracy():
    rng = np.random.default_rng(6)
    labels = (rng.random(5000) < 0.05).astype(int)
    scores = rng.normal(labels * 1.5, 1)
    odds = 0.05 / 0.95 * np.exp(1.5 * scores - 1.125)
    probabilities = np.stack([1 / (1 + odds), odds / (1 + odds)], axis=1)
    metric = METRICS["balanced_accuracy"]
    decision = metric.fit(probabilities, labels)
    assert metric.of(decision(probabilities), labels) > metric.of(probabilities.argmax(axis=1), labels) + 0.15
    assert decision.values[1] / decision.values[0] == pytest.approx(19, rel=0.4)


def test_one_threshold_for_micro_f1_does_not_fit_the_noise_of_rare_labels():
    rng = np.random.default_rng(7)
    shares = np.full(300, 0.02)
    labels = (rng.random((300, 300)) < shares).astype(np.uint8)
    probabilities = np.clip(rng.beta(1, 20, (300, 300)) + labels * rng.beta(2, 8, (300, 300)), 0, 1)
    parts = np.arange(300) % 3
    honest = {
        name: METRICS["micro_f1"].of(METRICS[name].honest(probabilities, labels, parts), labels)
        for name in ("micro_f1", "macro_f1")
    }
    assert honest["micro_f1"] > honest["macro_f1"]


def test_rankings_keep_ties_in_order_and_agree_with_a_full_sort():
    ranked = Decision("ranked", (3,))
    assert ranked(np.array([[0.1, 0.4, 0.4, 0.1]])).tolist() == [[1, 2, 0]]
    many = np.random.default_rng(8).random((20, 400)).round(2)
    assert np.array_equal(ranked(many), np.argsort(-many, axis=1, kind="stable")[:, :3])
    assert ranked(np.array([[0.6, 0.4]])).shape == (1, 2)


def test_a_metric_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"metric quadratic_kappa is for one label for each image; .* use accuracy, "):
        metric_of("quadratic_kappa", 5, label_sets=True)
    with pytest.raises(ValueError, match=r"metric sample_f1 is for label sets"):
        metric_of("sample_f1", 5, label_sets=False)
    with pytest.raises(ValueError, match=r"probabilistic_f1 judges one class .* submission.positive"):
        metric_of("probabilistic_f1", 2, label_sets=False)
    assert metric_of("map_at_k", 3, label_sets=False).k == 3
    assert replace(metric_of("accuracy", 2, label_sets=False, positive=(1,))) == ACCURACY


def test_a_decision_survives_json():
    decision = Decision("cut_points", (0.5, 1.5))
    assert Decision(decision.as_json()["rule"], tuple(decision.as_json()["values"])) == decision
    assert set(RULES) >= {
        metric.fit(np.eye(4)[[0, 1, 2, 3]], np.arange(4)).rule
        for metric in METRICS.values()
        if "single" in metric.kinds
    }


def test_the_configuration_knows_every_metric():
    assert set(get_args(Entry.model_fields["name"].annotation)) == set(METRICS)


@pytest.mark.parametrize(
    ("classes", "declared", "indices"),
    [
        ([0, 1], None, (1,)),
        (["False", "True"], None, (1,)),
        (["no", "yes"], None, (1,)),
        (["0.0", "1.0"], None, (1,)),
        (["negative", "positive"], None, (1,)),
        (["cat", "dog"], None, ()),
        (["cat", "dog"], ["dog"], (1,)),
        ([0, 1, 2], None, ()),
        (["Cover", "JMiPOD", "UERD"], ["UERD", "JMiPOD"], (1, 2)),
    ],
)
def test_the_positive_class_is_found_or_declared(classes, declared, indices):
    assert positive_classes(classes, declared) == indices


def test_a_positive_class_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"submission.positive 'dgo' is no class, expected one of cat, dog"):
        positive_classes(["cat", "dog"], ["dgo"])
    with pytest.raises(ValueError, match="lists all classes"):
        positive_classes(["cat", "dog"], ["dog", "cat"])
