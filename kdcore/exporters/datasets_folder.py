"""A folder that ``datasets.load_dataset(folder)`` reads, with a dataset card."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from kdcore.exporters.base import Exporter, Rows
from kdcore.exporters.parquet import table
from kdcore.records.datasets import Version

_SPLIT_FILES = {"train": "train", "heldout": "test"}


def write(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``data/train.parquet``, ``data/test.parquet`` and ``README.md``."""
    (folder / "data").mkdir()
    files: list[Path] = []
    for split, name in _SPLIT_FILES.items():
        part = [row for row in rows if row["split"] == split]
        if part:
            files.append(folder / "data" / f"{name}.parquet")
            pq.write_table(table(part).drop_columns(["split"]), files[-1], compression="zstd")
    card = folder / "README.md"
    card.write_text(card_text(dataset, rows), encoding="utf-8")
    return [*files, card]


def card_text(dataset: Version, rows: Rows) -> str:
    """The card: machine-readable head, then what a reader has to know."""
    teachers = sorted({row.get("teacher") or "unknown" for row in rows})
    topics = Counter(row.get("topic") or "none" for row in rows).most_common(20)
    edited = sum(bool(row["edited"]) for row in rows)
    splits = Counter(row["split"] for row in rows)
    size = "n<1K" if len(rows) < 1000 else "1K<n<10K" if len(rows) < 10_000 else "10K<n<100K"
    title = f"{dataset['name']} v{dataset['version']}"
    lines = [
        "---",
        f"pretty_name: {json.dumps(title, ensure_ascii=False)}",  # a JSON string is a YAML string
        "tags: [synthetic, knowledge-distillation]",
        "annotations_creators: [machine-generated]",
        f"size_categories: [{size}]",
        "configs:",
        "- config_name: default",
        "  data_files:",
        *(f"  - {{split: {name}, path: data/{name}.parquet}}" for s, name in _SPLIT_FILES.items() if splits[s]),
        "---",
        "",
        f"# {dataset['name']}, version {dataset['version']}",
        "",
        f"{len(rows)} rows ({splits['train']} train, {splits['heldout']} held out by group). "
        f"Written by {', '.join(teachers)}; {edited} answers were edited by people.",
        "",
        f"Content hash (sha256): `{dataset['sha256']}`",
        "",
        "Answers are generated text. They are no medical or legal advice and may be wrong; `human_edited` tells "
        "which a person has rewritten. Before training on them, check the terms of each teacher.",
        "",
        "## Topics",
        "",
        *(f"- {topic}: {count}" for topic, count in topics),
        "",
    ]
    return "\n".join(lines)


DATASETS_FOLDER = Exporter("datasets_folder", "A folder for the datasets library, with a card", write)
