"""What an exporter is, and what all of them share: chats, where a row came from, one file a split, the card.

A row is read with its chat (``messages``), its ``completion``, and its worse answers (``rejected_answers``). Rows
that people rejected come along only where an exporter asks for them. Rows go by once and none is kept, so that a
version of any size is written in the same memory. The same rows give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from kdcore.exporters.card import Tally, card_text
from kdcore.records.datasets import ChatRow, Version
from kdcore.types import Message

Rows = Iterable[ChatRow]
PROVENANCE = (
    *("sample_id", "prompt_version_id", "run_id", "teacher", "topic", "source", "passage", "licence", "terms"),
    "reviewer",
)
SPLITS = ("train", "heldout")


def any_row(row: ChatRow) -> bool:
    """Every row fits: what most formats need, each has."""
    return True


@dataclass(frozen=True, slots=True)
class Exporter:
    """Writes rows into an empty folder; returns the files it made.

    ``fits`` tells whether the format can hold a row, and ``needs`` says in words what such a row has: the others are
    left out, and counted. ``rejected`` says that the answers which people rejected are part of the format, ``tokens``
    that a row comes with what its teacher said at each of its tokens (``ChatRow.tokens``).
    """

    name: str
    summary: str
    write: Callable[[Path, Version, Rows], list[Path]]
    rejected: bool = False
    tokens: bool = False
    fits: Callable[[ChatRow], bool] = any_row
    needs: str = ""


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


def write_line(file: IO[str], line: Mapping[str, Any]) -> None:
    """One JSON object on a line of its own."""
    file.write(json.dumps(line, ensure_ascii=False) + "\n")


def by_split(
    folder: Path,
    dataset: Version,
    rows: Rows,
    lines_of: Callable[[ChatRow], Iterable[Mapping[str, Any]]],
    extra: Sequence[str] = (),
    more: str = "",
) -> list[Path]:
    """``train.jsonl`` and ``heldout.jsonl``, each where it has a row, and a card that names them as splits.

    ``extra`` are splits of the version that are learnt from too: their lines go into ``train.jsonl``. The card ends
    with ``more``.
    """
    tally, opened = Tally(), dict[str, IO[str]]()
    with ExitStack() as stack:
        for row in tally.count(rows):
            split = "train" if row["split"] in extra else row["split"]
            for line in lines_of(row):
                if split not in opened:
                    path = folder / f"{split}.jsonl"
                    opened[split] = stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))
                write_line(opened[split], {**line, "metadata": provenance(row)})
    files = [folder / f"{split}.jsonl" for split in SPLITS if split in opened]
    return [*files, write_card(folder, dataset, tally, {path.stem: path.name for path in files}, more)]


def write_card(folder: Path, dataset: Version, tally: Tally, files: Mapping[str, str], more: str = "") -> Path:
    """``README.md``: which file is which split, and what a reader has to know; ``more`` comes at the end."""
    card = folder / "README.md"
    card.write_text(card_text(dataset, tally, files) + more, encoding="utf-8")
    return card
