"""Wilson's interval against scipy, and as it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from features.labels.intervals import bounds, with_bounds


def test_no_score_is_certain():
    assert with_bounds(1.0, **bounds(1.0, 110)) == "1.0000 (0.9663 to 1.0000)"
    assert with_bounds(0.0, **bounds(0.0, 110)) == "0.0000 (0.0000 to 0.0337)"


@given(st.integers(1, 100_000).flatmap(lambda rows: st.tuples(st.integers(0, rows), st.just(rows))))
def test_the_interval_is_that_of_scipy(case):
    hits, rows = case
    expected = binomtest(hits, rows).proportion_ci(0.95, method="wilson")
    interval = bounds(hits / rows, rows)
    assert (interval["low"], interval["high"]) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert 0 <= interval["low"] <= hits / rows <= interval["high"] <= 1
