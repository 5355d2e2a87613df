"""What an exporter is, and the one row that all of them write: text with where it came from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdcore.records.datasets import ChatRow, Version
from kdcore.types import Message

Rows = Sequence[ChatRow]
PROVENANCE = ("sample_id", "prompt_version_id", "run_id", "teacher", "topic", "source")


@dataclass(frozen=True, slots=True)
class Exporter:
    """Writes rows into an empty folder; returns the files it made."""

    name: str
    summary: str
    write: Callable[[Path, Version, Rows], list[Path]]


def messages(row: ChatRow) -> list[Message]:
    """The chat as the student learns it: system message, worked examples, question, and the completion."""
    return [*json.loads(row["messages"]), {"role": "assistant", "content": row["completion"]}]


def provenance(row: ChatRow) -> dict[str, Any]:
    """Where a row came from; every export carries it."""
    return {name: row.get(name) or "" for name in PROVENANCE} | {
        "ai_generated": True,
        "human_edited": bool(row["edited"]),
    }


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """One JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path
