"""How far a reward model can be trusted: what it gave both answers of each held-out pair, and how sure it was."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kdcore.records.runs import Margin, WrongPair
from kdcore.services.workspace import App
from kdcore.store import samples


def margins(app: App, run_id: str) -> list[Margin]:
    """``[{sample_id, chosen, rejected, margin}]`` of a finished reward model, the most wrong first; [] for others."""
    path = app.run_dir(run_id).path / "margins.json"
    found: list[Margin] = json.loads(path.read_bytes()) if path.exists() else []
    return sorted(
        ({**pair, "margin": pair["chosen"] - pair["rejected"]} for pair in found), key=lambda p: p["margin"]
    )


def wrong(app: App, pairs: Sequence[Margin], limit: int = 20) -> list[WrongPair]:
    """Pairs whose worse answer scored higher, with question and topic, the surest mistakes first."""
    worst = [pair for pair in pairs if pair["margin"] <= 0][:limit]
    told = {row["sample_id"]: row for row in samples.by_ids(app.store, [pair["sample_id"] for pair in worst])}
    found: list[WrongPair] = []
    for pair in worst:
        row = told.get(pair["sample_id"])
        found.append({**pair, "question": row["question"] if row else None, "topic": row["topic"] if row else None})
    return found
