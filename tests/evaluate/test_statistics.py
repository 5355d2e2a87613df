"""Intervals, averages and calibration."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdcore.evaluate.statistics import bootstrap_mean, paired_difference, smooth, t_interval


@given(values=st.lists(st.floats(-10, 10), min_size=1, max_size=30), weight=st.floats(0, 0.95))
def test_smoothing_stays_in_range_and_starts_at_the_first(values, weight):
    smoothed = smooth(values, weight)
    assert smoothed[0] == pytest.approx(values[0])
    assert min(values) - 1e-6 <= min(smoothed)
    assert max(smoothed) <= max(values) + 1e-6


def test_a_bootstrap_holds_its_mean_and_says_how_many():
    found = bootstrap_mean([1.0, 2.0, 3.0])
    assert found["low"] <= found["mean"] == 2.0 <= found["high"]
    assert bootstrap_mean([])["n"] == 0
    assert bootstrap_mean([1.0, 3.0], [3.0, 1.0])["mean"] == 1.5, "weighed by tokens"


def test_a_paired_difference_sees_what_two_means_can_not():
    """What makes a row hard is hard for both: the same small gain on every row is sure, the two means are not."""
    hard = np.random.default_rng(0).normal(5, 3, 60)
    first, second = list(hard + 0.2), list(hard)
    found = paired_difference(first, second)
    assert found["low"] > 0 and found["mean"] == pytest.approx(0.2)
    assert bootstrap_mean(first)["low"] < bootstrap_mean(second)["high"], "the two intervals overlap"


def test_a_t_interval_of_few_seeds():
    found = t_interval([1.0, 2.0, 3.0])
    assert (found["mean"], found["n"]) == (2.0, 3)
    assert found["high"] - found["mean"] == pytest.approx(4.303 / 3**0.5, rel=1e-3)
    assert math.isnan(t_interval([1.0])["low"])
