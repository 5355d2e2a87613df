"""Figures for one answer, and their means."""

from kdcore.evaluate.measures import bootstrap_mean, rouge_l


def test_metrics():
    assert rouge_l("the cat sat", "the cat sat") == 1.0
    assert rouge_l("", "the cat") == 0.0
    found = bootstrap_mean([1.0, 2.0, 3.0])
    assert found["low"] <= found["mean"] == 2.0 <= found["high"]
    assert bootstrap_mean([])["n"] == 0
