"""Answers in order: pairs (DPO), ranked lists, and single answers that are good or bad (KTO).

The worse answers of a row are those of a feedback method, and what the teacher had said before a person mended it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdcore.exporters.base import Exporter, Rows, by_split, chat, said
from kdcore.records.datasets import ChatRow, Version


def _pairs(row: ChatRow) -> list[dict[str, Any]]:
    """The row's own answer against each worse one; a row without any gives none."""
    return [
        {"prompt": chat(row), "chosen": said(row["completion"]), "rejected": said(worse)}
        for worse in row["rejected_answers"]
    ]


def write_pairs(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``train.jsonl``, ``heldout.jsonl`` and a card, of the rows that have a worse answer."""
    return by_split(folder, dataset, rows, _pairs)


def _ranked(row: ChatRow) -> list[dict[str, Any]]:
    return [{"prompt": chat(row), "answers": [row["completion"], *row["rejected_answers"]]}]


def write_ranked(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``train.jsonl``, ``heldout.jsonl`` and a card, of the rows that have a worse answer."""
    return by_split(folder, dataset, rows, _ranked)


def _unary(row: ChatRow) -> list[dict[str, Any]]:
    if row["split"] == "rejected":
        return [{"prompt": chat(row), "completion": said(row["completion"]), "label": False}]
    worse = [{"prompt": chat(row), "completion": said(text), "label": False} for text in row["rejected_answers"]]
    return [{"prompt": chat(row), "completion": said(row["completion"]), "label": True}, *worse]


def write_unary(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``train.jsonl``, ``heldout.jsonl`` and a card; answers that people rejected are learnt as bad ones."""
    return by_split(folder, dataset, rows, _unary, extra=("rejected",))


def _has_worse(row: ChatRow) -> bool:
    return bool(row["rejected_answers"])


_NEEDS = "a worse answer, which comes from a feedback method or from editing the answer on the Review page"
PREFERENCE = Exporter(
    "preference",
    "Pairs of a better and a worse answer (TRL's DPO, axolotl)",
    write_pairs,
    fits=_has_worse,
    needs=_NEEDS,
)
RANKED = Exporter("ranked", "Each question with its answers, best first", write_ranked, fits=_has_worse, needs=_NEEDS)
KTO = Exporter("kto", "Single answers, good or bad (TRL's KTO)", write_unary, rejected=True)
