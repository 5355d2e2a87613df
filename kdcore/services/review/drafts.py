"""What somebody is typing and has not saved: one small file each, beside the database, written within a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypedDict, cast

from kdcore import ids
from kdcore.jobs.run_dir import write_json
from kdcore.services.workspace import App

FIELDS = ("question", "answer", "note")
LONGEST = 1_000_000  # letters of a field; what is longer is no answer


class Draft(TypedDict):
    """The fields as they stand, when (milliseconds of the browser's clock), and the revision that was read."""

    sample_id: str
    reviewer: str
    question: str
    answer: str
    note: str
    time: float
    seen: str


def keep(app: App, sample_id: str, reviewer: str, typed: dict[str, Any], seen: str) -> None:
    """Write a person's draft of a sample in place of an earlier one; what was typed earlier never wins."""
    time = float(typed.get("time") or 0.0)
    before = of(app, sample_id, reviewer)
    if before is not None and before["time"] > time:
        return
    path = _path(app, sample_id, reviewer)
    path.parent.mkdir(exist_ok=True)
    texts = {name: str(typed.get(name) or "")[:LONGEST] for name in FIELDS}
    write_json(path, {"sample_id": sample_id, "reviewer": reviewer, **texts, "time": time, "seen": seen})


def of(app: App, sample_id: str, reviewer: str) -> Draft | None:
    """A person's draft of a sample, None without one."""
    try:
        found: Any = json.loads(_path(app, sample_id, reviewer).read_bytes())
    except (OSError, ValueError):
        return None
    whole = isinstance(found, dict) and cast("dict[str, Any]", found).keys() >= Draft.__annotations__.keys()
    return cast("Draft", found) if whole else None


def of_reviewer(app: App, reviewer: str) -> list[Draft]:
    """All drafts of a person, the newest first."""
    found: list[Draft] = []
    for path in (app.folders.root / "drafts").glob("*.json"):
        try:
            each: Any = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(each, dict) and cast("dict[str, Any]", each).get("reviewer") == reviewer:
            found.append(cast("Draft", each))
    return sorted(found, key=lambda draft: -draft["time"])


def discard(app: App, sample_id: str, reviewer: str) -> None:
    """Forget a draft: it was saved, or thrown away."""
    _path(app, sample_id, reviewer).unlink(missing_ok=True)


def _path(app: App, sample_id: str, reviewer: str) -> Path:
    return app.folders.root / "drafts" / f"{ids.stable_hash(sample_id, reviewer, length=32)}.json"
