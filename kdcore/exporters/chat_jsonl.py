"""``messages`` JSON lines, as OpenAI, TRL and axolotl read them; one file a split."""

from __future__ import annotations

from pathlib import Path

from kdcore.exporters.base import Exporter, Rows, by_split, messages
from kdcore.records.datasets import Version


def write(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``train.jsonl``, ``heldout.jsonl`` and a card."""
    return by_split(folder, dataset, rows, lambda row: [{"messages": messages(row)}])


CHAT_JSONL = Exporter("chat_jsonl", "Chat messages, one JSON object a line (OpenAI, TRL, axolotl)", write)
