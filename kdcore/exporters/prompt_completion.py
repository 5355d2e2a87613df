"""Prompt and completion apart, so that a trainer supervises the answer alone (TRL's conversational form)."""

from __future__ import annotations

from pathlib import Path

from kdcore.exporters.base import Exporter, Rows, by_split, chat, said
from kdcore.records.datasets import Version


def write(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``train.jsonl``, ``heldout.jsonl`` and a card."""
    return by_split(folder, dataset, rows, lambda row: [{"prompt": chat(row), "completion": said(row["completion"])}])


PROMPT_COMPLETION = Exporter("prompt_completion", "Prompt and completion apart: only answers are learnt (TRL)", write)
