"""Which models have the same tokens, so that what one of them said another can learn token by token."""

from __future__ import annotations

import json
from pathlib import Path

from kdcore import ids
from kdcore.errors import ConfigError
from kdcore.services.models import folder_of
from kdcore.services.workspace import App


def same_tokens(app: App, teacher: str, others: set[str]) -> set[str]:
    """Those of some teachers whose token ids mean what ``teacher``'s mean; itself among them."""
    own = _tokens(app, teacher)
    return {teacher} | {name for name in others if own is not None and _tokens(app, name) == own}


def _tokens(app: App, teacher: str) -> str | None:
    """A hash of a local model's whole vocabulary; None for a model that is not here."""
    try:
        folder = folder_of(app, teacher)
        data = json.loads(((folder or Path()) / "tokenizer.json").read_bytes()) if folder else None
    except (ConfigError, OSError, ValueError):
        return None
    if data is None:
        return None
    added = [(token["id"], token["content"]) for token in data.get("added_tokens", [])]
    return ids.stable_hash(data["model"].get("vocab"), added, length=32)
