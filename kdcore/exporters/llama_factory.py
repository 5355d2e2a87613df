"""Alpaca and ShareGPT with the ``dataset_info.json`` that LLaMA-Factory finds them by."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from kdcore.exporters.base import Exporter, Rows, by_split, chat, messages
from kdcore.records.datasets import ChatRow, Version

_SPEAKERS = {"user": "human", "assistant": "gpt", "tool": "observation"}


def _info(folder: Path, dataset: Version, files: list[Path], entry: dict[str, Any]) -> list[Path]:
    """Add ``dataset_info.json``: one entry a file, named after the version."""
    name = re.sub(r"\W+", "_", f"{dataset['name']}_v{dataset['version']}").strip("_").lower()
    entries = {f"{name}_{file.stem}": {"file_name": file.name, **entry} for file in files if file.suffix == ".jsonl"}
    path = folder / "dataset_info.json"
    path.write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return [*files, path]


def _alpaca(row: ChatRow) -> list[dict[str, Any]]:
    turns = chat(row)
    system = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
    talk = [turn["content"] for turn in turns if turn["role"] != "system"]
    history = [[asked, answered] for asked, answered in zip(talk[:-1:2], talk[1::2], strict=False)]
    return [
        {
            "instruction": talk[-1] if talk else row["question"],
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
    return _info(folder, dataset, by_split(folder, dataset, rows, _alpaca), {"columns": columns})


def _sharegpt(row: ChatRow) -> list[dict[str, Any]]:
    turns = messages(row)
    system = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
    talk = [{"from": _SPEAKERS[turn["role"]], "value": turn["content"]} for turn in turns if turn["role"] != "system"]
    return [{"conversations": talk, "system": system}]


def write_sharegpt(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``train.jsonl``, ``heldout.jsonl``, a card and ``dataset_info.json``."""
    entry = {"formatting": "sharegpt", "columns": {"messages": "conversations", "system": "system"}}
    return _info(folder, dataset, by_split(folder, dataset, rows, _sharegpt), entry)


ALPACA = Exporter("alpaca", "Instruction, input, output, with LLaMA-Factory's dataset_info.json", write_alpaca)
SHAREGPT = Exporter("sharegpt", "Conversations, with LLaMA-Factory's dataset_info.json", write_sharegpt)
