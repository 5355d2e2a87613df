"""Samples read out of a workspace: all rows of every status and role, unless a selection narrows them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from kdcore.configs.selection import Selection
from kdcore.errors import ConfigError
from kdcore.jobs import parquet
from kdcore.jobs.run_dir import write_atomic
from kdcore.records.samples import Sample
from kdcore.services.workspace import App
from kdcore.store import samples

ENDINGS = (".jsonl", ".parquet")


def rows(app: App, project_id: str, selection: Selection, limit: int | None = None) -> list[Sample]:
    """Whole samples in the order in which they were made, with what people decided of each."""
    return samples.by_ids(app.store, samples.keys(app.store, project_id, selection, limit=limit))


def total(app: App, project_id: str, selection: Selection) -> int:
    """How many there are, whatever the limit."""
    return samples.count(app.store, project_id, selection)


def refuse(path: Path) -> None:
    """Raise ConfigError for a file that can't be written, before anything is read."""
    if path.suffix not in ENDINGS:
        raise ConfigError(f"--out is {path.name}; expected a name that ends in {' or '.join(ENDINGS)}.")
    if not path.parent.is_dir():
        raise ConfigError(f"there is no folder {path.parent}; make it first.")


def write(path: Path, found: Sequence[Sample]) -> None:
    """Write JSON lines or Parquet, as a whole; in Parquet chats and extra fields are JSON text."""
    if path.suffix == ".jsonl":
        lines = "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in found)
        write_atomic(path, lines.encode("utf-8", "surrogatepass"))
        return
    nested = ("messages", "extra")
    flat = [{**row, **{name: json.dumps(row[name], ensure_ascii=False) for name in nested}} for row in found]
    parquet.write(pa.Table.from_pylist(flat), path)
