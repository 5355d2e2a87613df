"""Whether a reward model is right as often as it is sure."""

import math

import numpy as np
import pytest

from kdcore.evaluate.statistics import calibration


def test_a_model_that_is_as_right_as_it_is_sure_has_no_error():
    chance = np.random.default_rng(0)
    sizes = chance.exponential(1.5, 20_000)
    right = chance.random(20_000) < 1 / (1 + np.exp(-sizes))
    found = calibration([float(m) for m in np.where(right, sizes, -sizes)])
    assert found["error"] < 0.02 and found["right"] == pytest.approx(right.mean())
    assert sum(b["pairs"] for b in found["bins"]) == 20_000
    assert all(b["low"] <= b["sure"] <= b["high"] for b in found["bins"])


def test_sure_and_wrong_is_the_largest_error_and_a_tie_is_not_right():
    assert calibration([-50.0, -800.0])["error"] == pytest.approx(1.0)
    tie = calibration([0.0])
    assert tie["right"] == 0 and tie["bins"][0]["sure"] == 0.5
    assert calibration([])["pairs"] == 0 and math.isnan(calibration([])["right"])
