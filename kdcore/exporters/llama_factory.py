"""Alpaca and ShareGPT with the ``dataset_info.json`` that LLaMA-Factory finds them by."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from kdcore.exporters.base import Exporter, Rows, by_split, chat
from kdcore.records.datasets import ChatRow, Version
from kdcore.types import Message

_SPEAKERS = {"user": "human", "assistant": "gpt", "tool": "observation", "function": "observation"}
_ASKED = ("user", "tool", "function")
_SYSTEM = ("system", "developer")
_README = """
## For LLaMA-Factory

Give this folder as `dataset_dir`. With `mask_history: true` the last answer of a talk is learnt and the worked
examples before it are not; LLaMA-Factory learns them too where it is not told so.
"""


def _info(folder: Path, dataset: Version, files: list[Path], entry: dict[str, Any]) -> list[Path]:
    """Add ``dataset_info.json``: one entry a file, named after the version."""
    name = re.sub(r"\W+", "_", f"{dataset['name']}_v{dataset['version']}").strip("_").lower()
    entries = {f"{name}_{file.stem}": {"file_name": file.name, **entry} for file in files if file.suffix == ".jsonl"}
    path = folder / "dataset_info.json"
    path.write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return [*files, path]


def _talk(row: ChatRow) -> tuple[str, list[Message]]:
    """The system message and the turns after it, as they were asked."""
    turns = chat(row)
    system = "\n\n".join(turn["content"] for turn in turns if turn["role"] in _SYSTEM)
    return system, [turn for turn in turns if turn["role"] not in _SYSTEM]


def _in_turns(row: ChatRow) -> bool:
    """Asked and answered by turns: LLaMA-Factory passes over any other talk without a word."""
    _, talk = _talk(row)
    by_turns = ["assistant" if place % 2 else "asked" for place in range(len(talk))]
    told = ["asked" if turn["role"] in _ASKED else turn["role"] for turn in talk]
    return len(talk) % 2 == 1 and told == by_turns


def _in_pairs(row: ChatRow) -> bool:
    """A talk between two: Alpaca's history has no place for what a tool said."""
    return _in_turns(row) and all(turn["role"] in ("user", "assistant") for turn in _talk(row)[1])


def _alpaca(row: ChatRow) -> list[dict[str, Any]]:
    system, turns = _talk(row)
    talk = [turn["content"] for turn in turns]
    history = [[asked, answered] for asked, answered in zip(talk[:-1:2], talk[1::2], strict=True)]
    return [
        {
            "instruction": talk[-1],
            "input": "",
            "output": row["completion"],
            "system": system,
            "history": history,
        }
    ]


def write_alpaca(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``train.jsonl``, ``heldout.jsonl``, a card and ``dataset_info.json``."""
    columns = {"prompt": "instruction", "query": "input", "response": "output"}
    columns |= {"system": "system", "history": "history"}
    return _info(folder, dataset, by_split(folder, dataset, rows, _alpaca, more=_README), {"columns": columns})


def _sharegpt(row: ChatRow) -> list[dict[str, Any]]:
    system, turns = _talk(row)
    talk = [{"from": _SPEAKERS[turn["role"]], "value": turn["content"]} for turn in turns]
    return [{"conversations": [*talk, {"from": "gpt", "value": row["completion"]}], "system": system}]


def write_sharegpt(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``train.jsonl``, ``heldout.jsonl``, a card and ``dataset_info.json``."""
    entry = {"formatting": "sharegpt", "columns": {"messages": "conversations", "system": "system"}}
    return _info(folder, dataset, by_split(folder, dataset, rows, _sharegpt, more=_README), entry)


ALPACA = Exporter(
    "alpaca",
    "Instruction, input, output, with LLaMA-Factory's dataset_info.json",
    write_alpaca,
    fits=_in_pairs,
    needs="a talk in which a user and an assistant take turns",
)
SHAREGPT = Exporter(
    "sharegpt",
    "Conversations, with LLaMA-Factory's dataset_info.json",
    write_sharegpt,
    fits=_in_turns,
    needs="a talk in which somebody asks and an assistant answers by turns",
)
