"""``messages`` JSON lines, as chat trainers read them; one file a split."""

from __future__ import annotations

from pathlib import Path

from kdcore.exporters.base import Exporter, Rows, messages, provenance, write_jsonl
from kdcore.records.datasets import Version


def write(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``train.jsonl`` and ``heldout.jsonl``."""
    return [
        write_jsonl(
            folder / f"{split}.jsonl",
            ({"messages": messages(row), "metadata": provenance(row)} for row in rows if row["split"] == split),
        )
        for split in ("train", "heldout")
    ]


CHAT_JSONL = Exporter("chat_jsonl", "Chat messages, one JSON object a line", write)
