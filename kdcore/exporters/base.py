"""What an exporter is, and what all of them share: chats, where a row came from, one file a split, the card.

A row is read with its chat (``messages``), its ``completion``, and its worse answers (``rivals``). Rows that people
rejected come along only where an exporter asks for them. The same rows give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdcore.exporters.card import card_text
from kdcore.records.datasets import ChatRow, Version
from kdcore.types import Message

Rows = Sequence[ChatRow]
PROVENANCE = ("sample_id", "prompt_version_id", "run_id", "teacher", "topic", "source", "terms", "reviewer")
SPLITS = ("train", "heldout")


@dataclass(frozen=True, slots=True)
class Exporter:
    """Writes rows into an empty folder; returns the files it made.

    ``rejected`` says that the answers which people rejected are part of the format.
    """

    name: str
    summary: str
    write: Callable[[Path, Version, Rows], list[Path]]
    rejected: bool = False


def chat(row: ChatRow) -> list[Message]:
    """System message, worked examples and question, as they were asked."""
    found: list[Message] = json.loads(row["messages"])
    return found


def said(text: str) -> list[Message]:
    """An answer as a chat has it."""
    return [{"role": "assistant", "content": text}]


def messages(row: ChatRow) -> list[Message]:
    """The chat as the student learns it: system message, worked examples, question, and the completion."""
    return [*chat(row), *said(row["completion"])]


def provenance(row: ChatRow) -> dict[str, Any]:
    """Where a row came from; every export carries it."""
    return {name: row.get(name) or "" for name in PROVENANCE} | {
        "ai_generated": not (row.get("terms") or "").startswith("own-answers@"),
        "human_edited": bool(row["edited"]),
    }


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """One JSON object a line."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path


def by_split(
    folder: Path,
    dataset: Version,
    rows: Rows,
    lines_of: Callable[[ChatRow], Iterable[Mapping[str, Any]]],
    extra: Sequence[str] = (),
) -> list[Path]:
    """``train.jsonl`` and ``heldout.jsonl``, each where it has a row, and a card that names them as splits.

    ``extra`` are splits of the version that are learnt from too: their lines go into ``train.jsonl``.
    """
    files: list[Path] = []
    for split in SPLITS:
        own = (split, *extra) if split == "train" else (split,)
        path = write_jsonl(
            folder / f"{split}.jsonl",
            ({**line, "metadata": provenance(row)} for row in rows if row["split"] in own for line in lines_of(row)),
        )
        if path.stat().st_size:
            files.append(path)
        else:
            path.unlink()
    return [*files, write_card(folder, dataset, rows, {path.stem: path.name for path in files})]


def write_card(folder: Path, dataset: Version, rows: Rows, files: Mapping[str, str]) -> Path:
    """``README.md``: which file is which split, and what a reader has to know."""
    card = folder / "README.md"
    card.write_text(card_text(dataset, rows, files), encoding="utf-8")
    return card
