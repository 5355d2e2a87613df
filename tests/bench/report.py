"""One line of JSON for a benchmark: ``[{bench, ours, peer, unit, ratio, bar, holds}]``."""

from __future__ import annotations

import json
from typing import Any


def line(
    bench: str, ours: float, peer: float | None, unit: str, bar: float, *, lower_is_better: bool = False
) -> dict[str, Any]:
    """One figure; with a peer the bar is on the ratio (1 is as good as the peer), else on ours."""
    if peer is None:
        ratio, measured = None, ours
    else:
        ratio = peer / ours if lower_is_better else ours / peer
        measured = ratio
    holds = measured <= bar if peer is None and lower_is_better else measured >= bar
    rounded = None if ratio is None else round(ratio, 3)
    return {
        "bench": bench,
        "ours": round(ours, 3),
        "peer": None if peer is None else round(peer, 3),
        "unit": unit,
        "ratio": rounded,
        "bar": bar,
        "holds": bool(holds),
    }


def show(lines: list[dict[str, Any]]) -> None:
    """Print the result as the last line of output."""
    print(json.dumps(lines), flush=True)
