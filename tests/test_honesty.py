import numpy as np
import pytest
from scipy.special import softmax

from features import honesty
from features.ensembling import METHODS, RANK, Greedy, fit_blends
from features.honesty import error_correlation, honest_ensemble
from features.labels.metrics.shares import accuracy
from features.labels.uncertainty import gain_interval
from tests.test_ensembling import members_of


@pytest.mark.parametrize(
    ("method", "rises"), [("greedy", True), ("convex", True), ("stacking", False), ("auto", False)]
)
def test_the_optimistic_score_rises_on_noise_and_the_honest_one_does_not(method, rises):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    noise = softmax(rng.normal(size=(200, 300, 2)), axis=2)
    honest = honest_ensemble(noise, labels, np.arange(300) % 3, method, Greedy())
    more_frequent = max(labels.mean(), 1 - labels.mean())
    assert accuracy(honest.probabilities, labels) < more_frequent + 0.03
    optimistic = accuracy(honest.ensemble.of_rows(noise, np.arange(300) % 3), labels)
    assert optimistic > 0.6 if rises else optimistic < 0.6  # stacking's penalty holds noise down, and auto sees that


@pytest.mark.parametrize("method", ["greedy", "auto"])
def test_a_part_is_scored_by_what_was_fitted_without_it(monkeypatch, method):
    probabilities, labels = members_of([2.0, 1.0, 1.5], n=200)
    sizes = [13, 27, 53, 107]  # no two sets of parts have as many rows
    seen = []

    def note(members, given_labels, *others):
        seen.append(len(given_labels))
        return fit_blends(members, given_labels, *others)

    monkeypatch.setattr(honesty, "fit_blends", note)
    honest_ensemble(probabilities, labels, np.repeat(range(4), sizes), method, Greedy())
    expected = [200, *(200 - size for size in sizes)]
    if method == "auto":
        expected += [200 - sizes[k] - sizes[j] for k in range(4) for j in range(k)]
    assert sorted(seen) == sorted(expected)


def test_the_labels_of_a_part_do_not_reach_its_own_probabilities():
    probabilities, labels = members_of([2.0, 1.0, 1.5], n=240)
    parts = np.arange(240) % 4
    changed = np.where(parts == 1, (labels + 1) % 4, labels)
    before = honest_ensemble(probabilities, labels, parts, "auto", Greedy()).probabilities
    after = honest_ensemble(probabilities, changed, parts, "auto", Greedy()).probabilities
    assert np.array_equal(before[parts == 1], after[parts == 1])
    assert not np.array_equal(before[parts != 1], after[parts != 1])


def test_label_sets_are_scored_by_what_other_images_taught():
    rng = np.random.default_rng(0)
    labels = (rng.random((120, 3)) < 0.4).astype(np.uint8)
    members = np.clip(labels + rng.normal(0, 0.6, (2, 120, 3)), 0.01, 0.99).astype(np.float32)
    folds = np.arange(120) % 2  # so few that rows are dealt out, an image's labels together
    changed = labels.copy()
    changed[0] = 1 - changed[0]
    before, after = (
        honest_ensemble(members, some_labels, folds, "convex", Greedy()) for some_labels in (labels, changed)
    )
    assert before.probabilities.shape == (120, 3) and before.ensemble.temperatures.shape == (2, 2)
    assert np.array_equal(before.probabilities[0], after.probabilities[0])
    assert not np.array_equal(before.probabilities[1:], after.probabilities[1:])


def test_auto_takes_the_best_honest_method():
    probabilities, labels = members_of([3.0, 3.0], n=900)
    probabilities[1] = probabilities[1][:, [1, 0, 2, 3]]  # which only stacking sees through
    honest = honest_ensemble(probabilities, labels, np.arange(900) % 3, "auto", Greedy())
    assert honest.method == "stacking"
    assert set(honest.scores) == set(METHODS) - {RANK}
    assert accuracy(honest.probabilities, labels) == honest.scores["stacking"]["score"]
    alone = honest_ensemble(probabilities, labels, np.arange(900) % 3, "stacking", Greedy())
    assert np.array_equal(alone.probabilities, honest.probabilities)


@pytest.mark.parametrize("parts", [np.zeros(600, int), np.arange(600) % 2])
def test_few_parts_are_dealt_out(parts):
    probabilities, labels = members_of([2.0, 2.0])
    honest = honest_ensemble(probabilities, labels, parts, "auto", Greedy())
    assert np.allclose(honest.probabilities.sum(1), 1, atol=1e-5)
    assert accuracy(honest.probabilities, labels) > max(accuracy(member, labels) for member in probabilities)


def test_the_interval_covers_what_resampled_rows_say():
    rng = np.random.default_rng(0)
    right, than = rng.random(2000) < 0.93, rng.random(2000) < 0.92
    interval = gain_interval(right, than, seed=0)
    rows = rng.integers(0, 2000, (4000, 2000))
    gains = right[rows].mean(axis=1) - than[rows].mean(axis=1)
    assert interval["gain"] == pytest.approx(right.mean() - than.mean())
    assert [interval["low"], interval["high"]] == pytest.approx(np.quantile(gains, [0.025, 0.975]).tolist(), abs=1.5e-3)
    same = gain_interval(right, right, seed=0)
    assert (same["gain"], same["low"], same["high"]) == (0, 0, 0)


def test_errors_of_copies_correlate_and_those_of_strangers_do_not():
    rng = np.random.default_rng(0)
    wrong = rng.random((2, 5000)) < 0.1
    matrix = error_correlation(np.stack([wrong[0], wrong[0], wrong[1], np.zeros(5000, bool)]))
    assert matrix[0][1] == 1
    assert abs(matrix[0][2]) < 0.05
    assert matrix[3] == [None] * 4
    assert error_correlation(wrong[:1]) == [[1]]


@pytest.mark.parametrize("rows", range(1, 7))
@pytest.mark.parametrize("method", ["auto", "mean", "greedy", "convex", "stacking"])
def test_few_held_out_rows_have_finite_probabilities_or_are_refused_in_a_sentence(rows, method):
    rng = np.random.default_rng(rows)
    probabilities = rng.dirichlet(np.ones(3), (2, rows)).astype(np.float32)
    labels = np.arange(rows) % 3
    try:
        honest = honest_ensemble(probabilities, labels, np.zeros(rows, int), method, Greedy(5, 2))
    except ValueError as error:
        assert str(error).startswith(f"{rows} row") and "expect" in str(error)
        assert rows == 1 or method in ("auto", "stacking")
    else:
        assert rows > 1
        assert np.isfinite(honest.probabilities).all()
        assert np.allclose(honest.probabilities.sum(axis=1), 1, atol=1e-5)
