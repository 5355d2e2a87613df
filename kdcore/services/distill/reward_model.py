"""How far a reward model can be trusted: what it gave both answers of each held-out pair, and how sure it was."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from kdcore.services.workspace import App
from kdcore.store import samples

BINS = 5


def margins(app: App, run_id: str) -> list[dict[str, Any]]:
    """``[{sample_id, chosen, rejected, margin}]`` of a finished reward model, the most wrong first; [] for others."""
    path = app.run_dir(run_id).path / "margins.json"
    found: list[dict[str, Any]] = json.loads(path.read_bytes()) if path.exists() else []
    return sorted(
        ({**pair, "margin": pair["chosen"] - pair["rejected"]} for pair in found), key=lambda p: p["margin"]
    )


def wrong(app: App, pairs: Sequence[dict[str, Any]], limit: int = 20) -> list[dict[str, Any]]:
    """Pairs whose worse answer scored higher, with question and topic, the surest mistakes first."""
    worst = [pair for pair in pairs if pair["margin"] <= 0][:limit]
    told = {row["sample_id"]: row for row in samples.by_ids(app.store, [pair["sample_id"] for pair in worst])}
    nothing: dict[str, Any] = {}
    return [
        {**pair, **{name: told.get(pair["sample_id"], nothing).get(name) for name in ("question", "topic")}}
        for pair in worst
    ]


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
