"""How sure a figure is: bootstrap and t intervals, paired differences, calibration. Pure arrays, nothing heavy."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np

Interval = dict[str, float]  # {mean, low, high, n}: a 95 % interval
DRAWS = 1000
BINS = 5
# Student's t at 97.5 % for 1, 2, … 30 degrees of freedom: the interval of a mean over few seeds
_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


def gap_closed(base: float, student: float, teacher: float) -> float | None:
    """Which share of the way from base to teacher a student has gone: 1 is there, below 0 is further off than before.

    None where base and teacher are alike, so that there is no way to go, and for what is not finite.
    """
    if not all(math.isfinite(value) for value in (base, student, teacher)) or math.isclose(base, teacher):
        return None
    return (student - base) / (teacher - base)


def bootstrap_mean(
    values: Sequence[float], weights: Sequence[float] | None = None, seed: int = 0, draws: int = DRAWS
) -> Interval:
    """Mean with a 95 % percentile interval over rows: ``{mean, low, high, n}``; NaNs where there is no value.

    ``weights`` (tokens of each row, say) make it a mean over tokens; rows are still what is drawn.
    """
    if not values:
        return {"mean": math.nan, "low": math.nan, "high": math.nan, "n": 0}
    array = np.asarray(values, dtype=np.float64)
    share = np.ones_like(array) if weights is None else np.asarray(weights, dtype=np.float64)
    picks = np.random.default_rng(seed).integers(0, len(array), (draws, len(array)))
    means = (array * share)[picks].sum(1) / share[picks].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    mean = float((array * share).sum() / share.sum())
    return {"mean": mean, "low": float(low), "high": float(high), "n": len(values)}


def paired_difference(
    first: Sequence[float], second: Sequence[float], weights: Sequence[float] | None = None, seed: int = 0
) -> Interval:
    """``bootstrap_mean`` of first - second on the same rows: what two candidates differ by, row for row.

    The interval is far narrower than those of the two means, for what makes a row hard is hard for both.
    """
    return bootstrap_mean([a - b for a, b in zip(first, second, strict=True)], weights, seed)


def t_interval(values: Sequence[float]) -> Interval:
    """Mean over seeds with its 95 % t interval; ``low`` and ``high`` are NaN for a single value."""
    mean = fmean(values)
    half = math.nan
    if len(values) > 1:
        t = _T[min(len(values) - 2, len(_T) - 1)]  # beyond the table a little too wide, never too narrow
        half = t * statistics.stdev(values) / math.sqrt(len(values))
    return {"mean": mean, "low": mean - half, "high": mean + half, "n": len(values)}


def smooth(values: Sequence[float], weight: float = 0.6) -> list[float]:
    """Exponential moving average, corrected for its start; ``weight`` 0 leaves values as they are."""
    smoothed: list[float] = []
    running = correction = 0.0
    for value in values:
        running = weight * running + (1 - weight) * value
        correction = weight * correction + (1 - weight)
        smoothed.append(running / correction)
    return smoothed


def calibration(found: Sequence[float]) -> dict[str, Any]:
    """Whether the model is right as often as it says: margins in, ``{pairs, right, error, bins}`` out.

    A margin m says that the favourite is better with probability σ(|m|) (Bradley-Terry); it is right where m > 0.
    ``bins`` are ``[{low, high, sure, right, pairs}]`` over that probability from ½ to 1, those without a pair left
    out; ``error`` is the expected calibration error, the mean gap between sure and right (Guo et al. 2017, Eq. 3).
    """
    groups: dict[int, list[tuple[float, bool]]] = {}
    for margin in found:
        sure = 1 / (1 + math.exp(-abs(margin)))
        groups.setdefault(min(BINS - 1, int((sure - 0.5) * 2 * BINS)), []).append((sure, margin > 0))
    bins = [
        {
            "low": 0.5 + number / (2 * BINS),
            "high": 0.5 + (number + 1) / (2 * BINS),
            "sure": fmean(sure for sure, _ in group),
            "right": fmean(right for _, right in group),
            "pairs": len(group),
        }
        for number, group in sorted(groups.items())
    ]
    count = len(found)
    return {
        "pairs": count,
        "right": sum(margin > 0 for margin in found) / count if count else math.nan,
        "error": sum(b["pairs"] * abs(b["sure"] - b["right"]) for b in bins) / count if count else math.nan,
        "bins": bins,
    }
