"""The card of a dataset: a head that programs read, then what a reader has to know."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from kdcore.records.datasets import ChatRow, Version

_SIZES = ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def card_text(dataset: Version, rows: Sequence[ChatRow], files: Mapping[str, str]) -> str:
    """The card; ``files`` names the file of each split, so that ``datasets.load_dataset`` keeps them apart."""
    teachers = sorted({row.get("teacher") or "unknown" for row in rows})
    topics = Counter(row.get("topic") or "none" for row in rows).most_common(20)
    edited = sum(bool(row["edited"]) for row in rows)
    splits = Counter(row["split"] for row in rows)
    size = next((name for most, name in _SIZES if len(rows) < most), "n>1M")
    own = sum((row.get("terms") or "").startswith("own-answers@") for row in rows)
    title = f"{dataset['name']} v{dataset['version']}"
    lines = [
        "---",
        f"pretty_name: {json.dumps(title, ensure_ascii=False)}",  # a JSON string is a YAML string
        "tags: [knowledge-distillation]" if own == len(rows) else "tags: [synthetic, knowledge-distillation]",
        f"annotations_creators: [{'found' if own == len(rows) else 'machine-generated'}]",
        f"size_categories: [{size}]",
        "configs:",
        "- config_name: default",
        "  data_files:",
        *(f"  - {{split: {split}, path: {path}}}" for split, path in files.items()),
        "---",
        "",
        f"# {dataset['name']}, version {dataset['version']}",
        "",
        f"{len(rows)} rows ({splits['train']} train, {splits['heldout']} held out by group). "
        f"Written by {', '.join(teachers)}; {edited} answers were edited by people.",
        "",
        f"Content hash (sha256): `{dataset['sha256']}`",
        "",
        *([f"{own} answers were brought along and not asked of a teacher here.", ""] if own else []),
        "Answers are generated text unless `ai_generated` is false. They are no medical or legal advice and may be "
        "wrong; `human_edited` tells which a person has rewritten. Before training on them, check the terms of each "
        "teacher.",
        "",
        "## Topics",
        "",
        *(f"- {topic}: {count}" for topic, count in topics),
        "",
    ]
    return "\n".join(lines)
