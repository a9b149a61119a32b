"""Ensembles of ranks, for metrics that depend on the order of the rows alone."""

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from features.ensembling import Ensemble, Greedy, RankBlend, fit_blends
from features.honesty import honest_ensemble
from features.labels.metrics.registry import METRICS, metric_of
from pipeline.config.metric import ROW_ORDER
from tests.test_by_metric import two_classes

AUC = METRICS["roc_auc"]


def both(present):
    return np.stack([1 - np.array(present), present], axis=-1)


def test_the_order_is_that_of_mean_ranks_and_the_values_are_those_of_mean_probabilities():
    members = both([[0.1, 0.2, 0.3, 0.9], [0.9, 0.1, 0.2, 0.3]])  # ranks 1 2 3 4 and 4 1 2 3, means .5 .15 .25 .6
    blended = RankBlend(np.array([0.5, 0.5]))(members)
    assert blended[:, 1] == pytest.approx([0.375, 0.15, 0.375, 0.6])  # equal ranks share 0.25 and 0.5
    assert blended.sum(axis=1) == pytest.approx(1)


def test_the_area_is_that_of_scipys_ranks_whatever_the_members_scales_are():
    members, labels = two_classes([1.5, 1.0])
    members[1] = both(members[1, :, 1] ** 4)  # the same order on another scale
    expected = 0.7 * rankdata(members[0, :, 1]) + 0.3 * rankdata(members[1, :, 1])
    blended = RankBlend(np.array([0.7, 0.3]))(members)[:, 1]
    assert roc_auc_score(labels, blended) == pytest.approx(roc_auc_score(labels, expected), abs=1e-4)
    assert np.corrcoef(rankdata(blended), rankdata(expected))[0, 1] > 0.99999


def test_rows_are_ranked_among_the_rows_of_one_model():
    members, _ = two_classes([1.5, 1.0], rows=30)
    folds, blend = np.arange(30) % 3, RankBlend(np.array([0.4, 0.6]))
    together = blend(members, folds)
    for fold in range(3):
        assert together[folds == fold] == pytest.approx(blend(members[:, folds == fold]))


def test_labels_of_a_set_are_ranked_apart():
    rng = np.random.default_rng(0)
    members = rng.random((2, 40, 3)).astype(np.float32)
    other = members.copy()
    other[:, :, 0] = rng.random((2, 40))
    ensemble = Ensemble(np.ones((2, 2)), RankBlend(np.array([0.5, 0.5])), label_sets=True)
    before, after = (ensemble.of_rows(some, np.arange(40) % 2) for some in (members, other))
    assert np.array_equal(before[:, 1:], after[:, 1:]) and not np.array_equal(before[:, 0], after[:, 0])
    test, _ = ensemble.of_models([members[[0, 0]], members[[1, 1]]])
    expected = sum(rankdata(member[:, 2]) for member in members)
    assert roc_auc_score(expected > np.median(expected), test[:, 2]) == 1


def test_weights_of_ranks_are_fitted_by_the_metric():
    members, labels = two_classes([1.5, 1.0, 0.0])
    loss = lambda p, y: -roc_auc_score(y, p[:, 1])  # noqa: E731
    blend = fit_blends(members, labels, ["rank"], Greedy(), loss)["rank"]
    assert blend.weights.argmax() == 0 and blend.weights[2] < 1 / 3
    alone = max(roc_auc_score(labels, member[:, 1]) for member in members)
    assert roc_auc_score(labels, blend(members)[:, 1]) > alone


def test_auto_tries_ranks_where_only_the_order_counts():
    members, labels = two_classes([1.5, 1.0], rows=120)
    folds = np.arange(120) % 3
    for metric, tries in ((AUC, True), (METRICS["accuracy"], False)):
        scores = honest_ensemble(members, labels, folds, "auto", Greedy(2), metric).scores
        assert ("rank" in scores) is tries
    sets = np.stack([labels, 1 - labels, labels], axis=1)
    members = np.repeat(members[..., :1], 3, axis=2)
    assert "rank" in honest_ensemble(members, sets, folds, "auto", Greedy(2), metric_of("roc_auc", 3, True)).scores


def test_ranks_of_several_classes_are_refused():
    members, labels = np.full((2, 9, 3), 1 / 3), np.arange(9) % 3
    with pytest.raises(ValueError, match="rank, but metric roc_auc with 3 classes"):
        honest_ensemble(members, labels, np.arange(9) % 3, "rank", Greedy(), AUC)


def test_the_configuration_knows_the_metrics_of_row_order():
    assert set(ROW_ORDER) == {name for name, metric in METRICS.items() if metric.judges_row_order}
