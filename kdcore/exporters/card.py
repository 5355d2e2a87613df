"""The card of a dataset: a head that programs read, then what a reader has to know."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kdcore.records.datasets import ChatRow, Version

_SIZES = ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(slots=True)
class Tally:
    """What a card says of the rows, counted while they go by."""

    rows: int = 0
    edited: int = 0
    own: int = 0
    teachers: set[str] = field(default_factory=set[str])
    topics: Counter[str] = field(default_factory=Counter[str])
    splits: Counter[str] = field(default_factory=Counter[str])

    def count(self, rows: Iterable[ChatRow]) -> Iterator[ChatRow]:
        """The same rows, each counted as it is taken."""
        for row in rows:
            self.rows += 1
            self.edited += bool(row["edited"])
            self.own += (row.get("terms") or "").startswith("own-answers@")
            self.teachers.add(row.get("teacher") or "unknown")
            self.topics[row.get("topic") or "none"] += 1
            self.splits[row["split"]] += 1
            yield row


def card_text(dataset: Version, tally: Tally, files: Mapping[str, str]) -> str:
    """The card; ``files`` names the file of each split, so that ``datasets.load_dataset`` keeps them apart."""
    size = next((name for most, name in _SIZES if tally.rows < most), "n>1M")
    all_own = tally.own == tally.rows
    title = f"{dataset['name']} v{dataset['version']}"
    lines = [
        "---",
        f"pretty_name: {json.dumps(title, ensure_ascii=False)}",  # a JSON string is a YAML string
        "tags: [knowledge-distillation]" if all_own else "tags: [synthetic, knowledge-distillation]",
        f"annotations_creators: [{'found' if all_own else 'machine-generated'}]",
        f"size_categories: [{size}]",
        "configs:",
        "- config_name: default",
        "  data_files:",
        *(f"  - {{split: {split}, path: {path}}}" for split, path in files.items()),
        "---",
        "",
        f"# {dataset['name']}, version {dataset['version']}",
        "",
        f"{tally.rows} rows ({tally.splits['train']} train, {tally.splits['heldout']} held out by group). "
        f"Written by {', '.join(sorted(tally.teachers))}; {tally.edited} answers were edited by people.",
        "",
        f"Content hash (sha256): `{dataset['sha256']}`",
        "",
        *([f"{tally.own} answers were brought along and not asked of a teacher here.", ""] if tally.own else []),
        "Answers are generated text unless `ai_generated` is false. They are no medical or legal advice and may be "
        "wrong; `human_edited` tells which a person has rewritten. Before training on them, check the terms of each "
        "teacher.",
        "",
        "## Topics",
        "",
        *(f"- {topic}: {count}" for topic, count in tally.topics.most_common(20)),
        "",
    ]
    return "\n".join(lines)
