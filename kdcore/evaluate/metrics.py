"""Figures for one answer, and means with bootstrap intervals. No torch here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def rouge_l(candidate: str, reference: str) -> float:
    """ROUGE-L F1 of two texts, 0 to 1 (Lin 2004), by the rouge-score package without stemming."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    return float(scorer.score(reference, candidate)["rougeL"].fmeasure)


def bootstrap_mean(values: list[float], seed: int = 0, draws: int = 1000) -> dict[str, float]:
    """Mean with a 95 % percentile interval: ``{mean, low, high, n}``; NaNs where there is no value."""
    if not values:
        return {"mean": float("nan"), "low": float("nan"), "high": float("nan"), "n": 0}
    array = np.asarray(values, dtype=np.float64)
    random = np.random.default_rng(seed)
    means = array[random.integers(0, len(array), (draws, len(array)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return {"mean": float(array.mean()), "low": float(low), "high": float(high), "n": len(values)}


METRICS: dict[str, Callable[[str, str], float]] = {"rouge_l": rouge_l}
