"""Intervals, averages and calibration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdcore.services.distill.runs import smooth


@given(values=st.lists(st.floats(-10, 10), min_size=1, max_size=30), weight=st.floats(0, 0.95))
def test_smoothing_stays_in_range_and_starts_at_the_first(values, weight):
    smoothed = smooth(values, weight)
    assert smoothed[0] == pytest.approx(values[0])
    assert min(values) - 1e-6 <= min(smoothed)
    assert max(smoothed) <= max(values) + 1e-6
