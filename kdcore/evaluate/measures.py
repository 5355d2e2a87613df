"""Figures for one answer, and means with bootstrap intervals. No torch here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def rouge_l(candidate: str, reference: str) -> float:
    """ROUGE-L F1 of two texts, 0 to 1 (Lin 2004), by the rouge-score package without stemming."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    return float(scorer.score(reference, candidate)["rougeL"].fmeasure)


def bootstrap_mean(
    values: list[float], weights: list[float] | None = None, seed: int = 0, draws: int = 1000
) -> dict[str, float]:
    """Mean with a 95 % percentile interval over rows: ``{mean, low, high, n}``; NaNs where there is no value.

    ``weights`` (tokens of each row, say) make it a mean over tokens; rows are still what is drawn.
    """
    if not values:
        return {"mean": float("nan"), "low": float("nan"), "high": float("nan"), "n": 0}
    array = np.asarray(values, dtype=np.float64)
    share = np.ones_like(array) if weights is None else np.asarray(weights, dtype=np.float64)
    picks = np.random.default_rng(seed).integers(0, len(array), (draws, len(array)))
    means = (array * share)[picks].sum(1) / share[picks].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    mean = float((array * share).sum() / share.sum())
    return {"mean": mean, "low": float(low), "high": float(high), "n": len(values)}


METRICS: dict[str, Callable[[str, str], float]] = {"rouge_l": rouge_l}
